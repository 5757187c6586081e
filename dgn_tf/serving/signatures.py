"""What a served model of images answers: functions with named inputs and any batch size.

A new signature is a function and an entry in `image_signatures`, or in
`clip_signatures.clip_signatures` for clips. The export asks it a golden request and a warm-up
request, and lists it in the model card; only an input that is a new single number needs a value in
`saved_model.GOLDEN_NUMBERS`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from dgn_tf.inference.energy import squared_error
from dgn_tf.inference.graph import infer_in_graph
from dgn_tf.inference.starts import Encoder, guess_of
from dgn_tf.ops.resizing import enlarged_field
from dgn_tf.ops.warp import warp
from dgn_tf.serving.checks import checked, checked_latent, require, same_batch
from dgn_tf.serving.image_files import squares, upright
from dgn_tf.serving.portable import deforming_generator
from dgn_tf.types import EncodedModel, LatentModel, Latents, Tensor

# Functions with an input signature, `tf.function`, by name.
Signatures = dict[str, Any]
Outputs = dict[str, Tensor]

MAX_STEPS = 2000
# Beyond it the prior alone diverges: a step multiplies z by 1 - delta^2 / 2.
MAX_STEP_SIZE = 2.0
# A descent that does not sample: the mode of the posterior.
NO_NOISE = -1


def image_signatures(model: LatentModel) -> Signatures:
    """The functions of a model of images that need no inference, by name.

    Inputs: z_appearance [B, d_a], z_geometry [B, d_g]; image [B, H, W, C] in [0, 1]. Outputs:
    image, canonical and warped float32 in [0, 1], displacement (dx, dy) [B, S, S, 2] in pixels,
    image_bytes PNG files [B].

    * generate: z_appearance and z_geometry to image, canonical and displacement (Eq. 1).
    * generate_png: the same latents to image_bytes and canonical_bytes.
    * appearance: z_appearance to canonical; displacement: z_geometry to displacement.
    * warp: images of any kind and size and z_geometry to warped (Fig. 12a); warp_bytes: the same
      of JPEG and PNG files [B], each of a size of its own, to PNG files.

    A model without geometry has generate and generate_png alone, with z_appearance and image.

    Args:
        model: of images, such as `portable` makes.

    Returns:
        {name: `tf.function` with an input signature}; each refuses what it cannot answer.
    """
    dims = dict(model.latent_dims)

    def generated(*values: Tensor) -> Outputs:
        z = dict(zip(dims, _checked_latents(dims, values), strict=True))
        parts = {name: model.part(name, value) for name, value in z.items()}
        made = {"image": unit(model.combine(parts))}
        if "geometry" in dims:
            made |= {"canonical": unit(parts["appearance"]), "displacement": parts["geometry"]}
        return made

    latents = [_latent_spec(name, dim) for name, dim in dims.items()]
    # Signatures ask each other for what they share: an export holds it once.
    generate = signature(generated, latents)

    def generate_png(*values: Tensor) -> Outputs:
        made = generate(*values)
        images = [name for name in ("image", "canonical") if name in made]
        return {f"{name}_bytes": _png(made[name]) for name in images}

    functions = {"generate": generate, "generate_png": signature(generate_png, latents)}
    return functions | (_part_signatures(model, dims) if "geometry" in dims else {})


def _part_signatures(model: LatentModel, dims: dict[str, int]) -> Signatures:
    """The functions of a single part of a model that deforms."""
    deforming = deforming_generator(model)
    assert deforming is not None

    def made_appearance(z_appearance: Tensor) -> Outputs:
        (z,) = _checked_latents({"appearance": dims["appearance"]}, [z_appearance])
        return {"canonical": unit(model.part("appearance", z))}

    def made_displacement(z_geometry: Tensor) -> Outputs:
        (z,) = _checked_latents({"geometry": dims["geometry"]}, [z_geometry])
        return {"displacement": model.part("geometry", z)}

    specs = {name: _latent_spec(name, dim) for name, dim in dims.items()}
    displacement = signature(made_displacement, [specs["geometry"]])

    def moved(image: Tensor, field: Tensor) -> Tensor:
        sizes = tf.shape(image)
        field = enlarged_field(field, sizes[1], sizes[2])
        return unit(warp(signed(image), field, border=deforming.border, jit_compile=False))

    def warp_images(image: Tensor, z_geometry: Tensor) -> Outputs:
        image = checked("image", image, [None] * 4, 0.0, 1.0, "in [0, 1]")
        field = displacement(z_geometry)["displacement"]
        return {"warped": moved(*same_batch(("image", "z_geometry"), (image, field)))}

    def warp_files(image_bytes: Tensor, z_geometry: Tensor) -> Outputs:
        files = checked("image_bytes", image_bytes, [None])
        field = displacement(z_geometry)["displacement"]
        files, field = same_batch(("image_bytes", "z_geometry"), (files, field))

        def warped(one: tuple[Tensor, Tensor]) -> Tensor:
            image = tf.cast(upright(one[0]), tf.float32)[None] / 255.0
            return _png(moved(image, one[1][None])[0])

        made = tf.map_fn(warped, (files, field), fn_output_signature=tf.TensorSpec([], tf.string))
        return {"warped_bytes": made}

    image = tf.TensorSpec([None] * 4, tf.float32, "image")
    files = tf.TensorSpec([None], tf.string, "image_bytes")
    return {
        "appearance": signature(made_appearance, [specs["appearance"]]),
        "displacement": displacement,
        "warp": signature(warp_images, [image, specs["geometry"]]),
        "warp_bytes": signature(warp_files, [files, specs["geometry"]]),
    }


def encode_function(
    encoder: Encoder, shape: Sequence[int], name: str, output: Callable[[Latents], Outputs]
) -> Any:
    """The signature "encode": the encoder's guess of latents, in one pass.

    Args:
        encoder: guesses the groups that it knows; a class, or what is given, is none of them.
        shape: of one observation, [S, S, C] or [F, S, S, C].
        name: of the observation [B, *shape] in [0, 1].
        output: makes the named latents of {group: [B, d]}.

    Returns:
        A `tf.function` with the outputs of `output`.
    """

    def encode(value: Tensor) -> Outputs:
        x = signed(checked(name, value, [None, *shape], 0.0, 1.0, "in [0, 1]"))
        return output(guess_of(encoder, x))

    return signature(encode, [tf.TensorSpec([None, *shape], tf.float32, name)])


def of_files(function: Any, shape: Sequence[int]) -> Any:
    """The same signature with JPEG or PNG files in place of an observation.

    Args:
        function: a signature whose first input is an observation in [0, 1], such as image.
        shape: of one observation, [S, S, C] or [F, S, S, C].

    Returns:
        A `tf.function` whose first input is image_bytes, string [B], or clip_bytes [B, F].
    """
    first, *others = function.input_signature
    name = f"{first.name}_bytes"

    def asked(files: Tensor, *values: Tensor) -> Outputs:
        return function(squares(name, files, shape), *values)

    files = tf.TensorSpec([None, *shape[:-3]], tf.string, name)
    return signature(asked, [files, *others])


def reconstruct_function(
    model: LatentModel,
    shape: Sequence[int],
    name: str,
    output: Callable[[Latents], Outputs],
    step_size: float,
    sigma: float,
    encoder: Encoder | None = None,
) -> Any:
    """The signature "reconstruct": Langevin inference (Eq. 7) inside the graph.

    Inputs: the observation [B, *shape] in [0, 1]; steps, int32, rounded up to tens; step_size
    (delta) and sigma, float32, 0 for the run's; seed, int64, of the Langevin noise, -1 for a
    descent without noise to a mode; z_appearance, one-hot, if the model is given labels. Chains
    start at zero, or at the guess of an encoder. A model with classes has a chain for each class,
    of which the best goes on alone after a quarter of the steps.

    Args:
        model: such as `portable` makes.
        shape: of one observation, [S, S, C] or [F, S, S, C].
        name: of the observation, as input and as output.
        output: makes the named latents of {group: [B, d]}.
        step_size: delta of the run.
        sigma: of the run.
        encoder: where inference starts, or None. A model that has an encoder of its own needs no
            steps, and is asked for its observation alone.

    Returns:
        A `tf.function` with the outputs of `output`, the reconstruction [B, *shape] in [0, 1] under
        `name`, and error [B], the sum of squares of each on that scale.
    """
    spec = tf.TensorSpec([None, *shape], tf.float32, name)

    def answer(x: Tensor, z: Latents) -> Outputs:
        made = model({group: z[group] for group in model.latent_dims})
        error = squared_error(x, made)
        found = [error, *z.values()]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(value)) for value in found])
        reason = "the inference diverged: give a smaller step_size or a larger sigma"
        with tf.control_dependencies([require(finite, reason)]):
            return {**output(z), name: unit(made), "error": tf.identity(error)}

    def observed(value: Tensor) -> Tensor:
        return signed(checked(name, value, [None, *shape], 0.0, 1.0, "in [0, 1]"))

    if isinstance(model, EncodedModel):

        def encode(value: Tensor) -> Outputs:
            x = observed(value)
            return answer(x, guess_of(model.encode, x))

        return signature(encode, [spec])

    given = model.given_groups

    def reconstruct(
        value: Tensor,
        steps: Tensor,
        step_size_: Tensor,
        sigma_: Tensor,
        seed: Tensor,
        *labels: Tensor,
    ) -> Outputs:
        x = observed(value)
        known = _known(model, given, labels, name, x)
        steps, step_size_, sigma_, seed = _checked_settings(
            steps, step_size_, sigma_, seed, step_size, sigma
        )
        z = infer_in_graph(
            model,
            x,
            known,
            steps=steps,
            step_size=step_size_,
            sigma=sigma_,
            sampling=seed > NO_NOISE,
            seed=seed,
            encoder=encoder,
        )
        return answer(x, z)

    numbers = (
        ("steps", tf.int32),
        ("step_size", tf.float32),
        ("sigma", tf.float32),
        ("seed", tf.int64),
    )
    scalars = [tf.TensorSpec([], kind, called) for called, kind in numbers]
    labels = [_latent_spec(group, model.latent_dims[group]) for group in given]
    return signature(reconstruct, [spec, *scalars, *labels])


def _known(
    model: LatentModel, given: Sequence[str], labels: Sequence[Tensor], name: str, x: Tensor
) -> Latents:
    """The latents that come with a request, [B, d] by group."""
    if not given:
        return {}
    dims = {group: model.latent_dims[group] for group in given}
    values = _checked_latents(dims, labels)
    same_batch([name, *(f"z_{group}" for group in given)], [x, *values])
    return dict(zip(given, values, strict=True))


def _checked_settings(
    steps: Tensor,
    step_size: Tensor,
    sigma: Tensor,
    seed: Tensor,
    run_step_size: float,
    run_sigma: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Steps, step size, sigma and seed of a request, with the run's own in place of 0."""
    steps = checked("steps", steps, [], 1, MAX_STEPS, f"from 1 to {MAX_STEPS}")
    seed = checked("seed", seed, [], NO_NOISE, None, "0 or more, or -1 for no noise")
    wanted = f"above 0 and at most {MAX_STEP_SIZE:g}, or 0 for the run's own"
    step_size = checked("step_size", step_size, [], 0.0, MAX_STEP_SIZE, wanted)
    sigma = checked("sigma", sigma, [], 0.0, None, "above 0, or 0 for the run's own")
    step_size = tf.where(tf.equal(step_size, 0.0), run_step_size, step_size)
    return steps, step_size, tf.where(tf.equal(sigma, 0.0), run_sigma, sigma), seed


def unit(image: Tensor) -> Tensor:
    """An image in [-1, 1] on the scale [0, 1], clipped to it against rounding."""
    return tf.clip_by_value((image + 1.0) / 2.0, 0.0, 1.0)


def signed(image: Tensor) -> Tensor:
    """An image in [0, 1] on the scale [-1, 1]."""
    return 2.0 * image - 1.0


def _png(image: Tensor) -> Tensor:
    return tf.io.encode_png(tf.cast(tf.round(255.0 * image), tf.uint8))


def _latent_spec(name: str, dim: int) -> tf.TensorSpec:
    return tf.TensorSpec([None, dim], tf.float32, f"z_{name}")


def _checked_latents(dims: Mapping[str, int], values: Sequence[Tensor]) -> list[Tensor]:
    names = [f"z_{name}" for name in dims]
    found = [
        checked_latent(name, value, [None, dim])
        for name, value, dim in zip(names, values, dims.values(), strict=True)
    ]
    return same_batch(names, found) if len(found) > 1 else found


def signature(python_function: Callable[..., Outputs], specs: list[tf.TensorSpec]) -> Any:
    """A `tf.function` whose inputs have the names of the specs, as servers ask for them."""
    return tf.function(python_function, input_signature=specs, autograph=False)
