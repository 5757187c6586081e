"""Experiment E6: clips taken apart into who, shape and motion (Fig. 15 to 19)."""

import numpy as np

from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.heads_clips import render_clips
from dgn_tf.data.heads_render import APPEARANCE, GEOMETRY
from dgn_tf.evaluation.fields import field_health
from dgn_tf.evaluation.held_out import beside_yardsticks, factor_r2, someone_else
from dgn_tf.evaluation.metrics import squared_errors
from dgn_tf.evaluation.report import Figure, Report, Table
from dgn_tf.visualize.clips import clip_sheet, decode_clips, film, frames_sheet
from dgn_tf.visualize.directions import principal_directions, traversal_sheet, traverse
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.naming import direction_names, orient
from dgn_tf.visualize.pictures import as_pictures, whole_factor

_SHEET_CLIPS = 3
_EDIT_REACH = 2.0
# Frames of a traversal's film, one way.
_FILM_COLUMNS = 13


def clips(
    model,
    train: Examples,
    test: Examples,
    latents: dict[str, np.ndarray],
    seed: int = 0,
) -> Report:
    """Reconstruction, recombination, editing of the shape, and free generation.

    Args:
        model: a trained `DynamicDeformableGenerator`.
        train: the clips it was trained on, [N, T + 1, S, S, C].
        test: held-out clips.
        latents: inferred packed latents of `test`, by group.
        seed: of the pairs and of the noises of free generation.

    Returns:
        A report with the numbers `reconstruction` (errors a frame), `field` and, for clips
        with the factors of heads_clips, `recombination` and `identity`; and the figures.
    """
    made, parts = decode_clips(model, latents)
    numbers = {
        "reconstruction": _reconstruction(model, train, test, made),
        "field": field_health(model.emission, {n: _flat(p) for n, p in parts.items()}),
    }
    rows = [
        ("reconstruction error a frame", numbers["reconstruction"]["msre"]),
        (
            f"  of PCA, {numbers['reconstruction']['pca_components']} components a frame",
            numbers["reconstruction"]["msre_pca"],
        ),
        ("  of the mean image", numbers["reconstruction"]["msre_mean_image"]),
        ("folded cells of the field", f"{100 * numbers['field']['folded']:.2f}%"),
        ("mean displacement, pixels", numbers["field"]["displacement"]),
    ]
    drawn = all(name in test.factors for name in (*APPEARANCE, *GEOMETRY))
    if drawn:
        numbers["recombination"] = _recombination(model, test, latents, seed)
        swap = numbers["recombination"]
        rows += [
            ("recombination error a frame", swap["recombined"]),
            ("  of not recombining", swap["not_recombined"]),
            ("  ratio of the two", swap["recombined"] / swap["not_recombined"]),
        ]
    tables = [Table("Errors are sums of squares per frame on [0, 1]", ("", ""), tuple(rows))]
    if drawn:
        numbers["identity"] = identity_r2(model, latents, test.factors)
        tables.append(_identity_table(numbers["identity"]))
    figures = _figures(model, test, latents, made, parts, seed)
    return Report(f"{len(test)} held-out clips (E6)", numbers, tuple(tables), tuple(figures))


def _reconstruction(model, train, test, made):
    """Errors a frame, of the model and of two yardsticks fitted on training frames."""
    frames = test.images.shape[1]
    components = max(1, round(sum(model.latent_dims.values()) / frames))
    x, x_train = _flat(as_float(test.images)), _flat(as_float(train.images))
    return beside_yardsticks(x, _flat(made), x_train, components)


def _recombination(model, test, latents, seed):
    """The appearance of each clip with the geometry of another, against the drawn truth."""
    other = someone_else(len(test), seed)
    motion = {name: test.factors[name][other] for name in GEOMETRY}
    wanted = _flat(as_float(render_clips(test.factors, motion, test.side)))
    swapped, _ = decode_clips(model, {**latents, "geometry": latents["geometry"][other]})
    return {
        "recombined": float(squared_errors(_flat(swapped), wanted).mean()),
        "not_recombined": float(squared_errors(_flat(as_float(test.images)), wanted).mean()),
    }


def identity_r2(model, latents, factors) -> dict[str, dict[str, float]]:
    """R^2 of what stays the same through a clip, from Z^g_0, Z^a_0 and the motion s^g.

    Args:
        model: the dynamic model.
        latents: packed latents by group.
        factors: those of heads_clips; looks and head width are used.

    Returns:
        {factor: {source: R^2}}; the motion is the mean and the spread of s^g_t over the clip.
    """
    first = {name: model.unpack(name, z)[0] for name, z in latents.items()}
    moved = model.frame_latents("geometry", np.float32(latents["geometry"])).numpy()
    states = moved[:, 1:] - first["geometry"][:, None]
    motion = np.concatenate([states.mean(axis=1), states.std(axis=1)], axis=1)
    sources = {"Z^a_0": first["appearance"], "Z^g_0": first["geometry"], "motion s^g": motion}
    still = {name: factors[name] for name in APPEARANCE}
    still["width"] = factors["width"][:, 0]
    return factor_r2(sources, still)


def _identity_table(found):
    sources = list(next(iter(found.values()))) if found else []
    rows = tuple((name, *(values[s] for s in sources)) for name, values in found.items())
    caption = "R² of what stays the same through a clip, from"
    return Table(caption, ("", *sources), rows)


def _figures(model, test, latents, made, parts, seed):
    few = {name: z[:_SHEET_CLIPS] for name, z in latents.items()}
    yield Figure(
        "reconstruction",
        "Held-out clips; canonical pictures; reconstructions with the deformed grid (Fig. 19).",
        clip_sheet(model, test.images[:_SHEET_CLIPS], few),
        _reconstruction_film(test.images[:_SHEET_CLIPS], made, parts),
    )
    yield _figure(
        "recombination",
        "Each clip's appearance with the other's geometry (Fig. 15, 16).",
        _recombined(model, test, latents, made),
    )
    still = {name: model.unpack(name, z)[0] for name, z in latents.items()}
    for group in still:
        shown = still["appearance"][0] if group == "geometry" else None
        along, _ = traverse(model.emission, still, group, columns=_FILM_COLUMNS, appearance=shown)
        there_and_back = np.concatenate([along, along[:, -2:0:-1]], axis=1)
        yield Figure(
            f"traversal_{group}",
            f"The first frame along the principal directions of its {group} (Fig. 17).",
            traversal_sheet(model.emission, still, group, appearance=shown),
            film([there_and_back], [""], [str(k + 1) for k in range(len(along))]),
        )
    yield _figure(
        "shape",
        "One clip with its global shape Z^g_0 moved, its motion kept (Fig. 18).",
        _edited(model, latents, still, made),
    )
    frames = made.shape[1]
    yield _figure(
        "generated",
        "Free generation: clip 1 goes on with new noises, twice as long as it was learned.",
        _generated(model, latents, frames, seed),
    )


def _figure(name, caption, clips):
    """Clips [F, S, S, C] by caption, as a sheet and as a film."""
    moving = film([np.stack([as_pictures(clip) for clip in clips.values()])], [""], list(clips))
    return Figure(name, caption, frames_sheet(clips), moving)


def _reconstruction_film(clips, made, parts):
    factor = whole_factor(clips.shape[2])
    few = slice(len(clips))
    deformed = [
        draw_grid(clip, field, factor)
        for clip, field in zip(made[few], parts["geometry"][few], strict=True)
    ]
    rows = [as_pictures(clips, factor), as_pictures(parts["appearance"][few], factor), deformed]
    return film([np.stack(row) for row in rows], ["data", "canonical", "reconstructed,\ngrid"])


def _recombined(model, test, latents, made):
    """Clips by caption; the second clip is the first of another person, where that is known."""
    person = test.factors.get("person", np.arange(len(test)))
    second = int(np.flatnonzero(person != person[0])[0]) if (person != person[0]).any() else -1
    pair = [0, second]
    z = {
        "appearance": latents["appearance"][pair],
        "geometry": latents["geometry"][pair[::-1]],
    }
    swapped, _ = decode_clips(model, z)
    return {
        "clip 1": test.images[0],
        "clip 2": test.images[second],
        "reconstruction 1": made[0],
        "reconstruction 2": made[second],
        "appearance 1,\ngeometry 2": swapped[0],
        "appearance 2,\ngeometry 1": swapped[1],
    }


def _edited(model, latents, still, made):
    directions = orient(model.emission, principal_directions(still["geometry"], 3))
    names = direction_names(model.emission, directions)
    rows = {"reconstruction": made[0]}
    for axis, scale, name in zip(directions.axes, directions.scales, names, strict=True):
        for sign, mark in ((-1, "-"), (1, "+")):
            z = {group: values[:1].copy() for group, values in latents.items()}
            z["geometry"][:, : len(axis)] += sign * _EDIT_REACH * scale * axis
            rows[f"{name}\n{mark}{_EDIT_REACH:g} sd"] = decode_clips(model, z)[0][0]
    return rows


def _generated(model, latents, frames, seed):
    rng = np.random.default_rng(seed)
    rows = {}
    for number in range(3):
        z = {}
        for group, values in latents.items():
            dim = model.emission.latent_dims[group]
            width = model.transitions[group].settings["noise_dim"] * (2 * frames - 1)
            noise = rng.standard_normal((1, width))
            # The appearance of a person does not jump: its noise stays at its mean.
            noise = noise if group == "geometry" else np.zeros_like(noise)
            z[group] = np.concatenate([values[:1, :dim], noise], axis=1).astype(np.float32)
        rows[f"sample {number + 1}"] = decode_clips(model, z)[0][0]
    return rows


def _flat(clips_or_parts):
    """[N, F, ...] as [N F, ...]."""
    return np.reshape(clips_or_parts, (-1, *np.shape(clips_or_parts)[2:]))
