"""What a served model of images answers: functions with named inputs and any batch size."""

import tensorflow as tf

from dgn_tf.inference.energy import squared_error
from dgn_tf.inference.posterior import Inference
from dgn_tf.ops.resizing import enlarged_field
from dgn_tf.ops.warp import warp
from dgn_tf.serving.checks import checked, checked_latent, require, same_batch
from dgn_tf.serving.portable import deforming_generator
from dgn_tf.types import EncodedModel

MAX_STEPS = 2000
# Beyond it the prior alone diverges: a step multiplies z by 1 - delta^2 / 2.
MAX_STEP_SIZE = 2.0
# A descent that does not sample: the mode of the posterior.
NO_NOISE = -1


def image_signatures(model):
    """The functions of a model of images that need no inference, by name.

    Inputs: z_appearance [B, d_a], z_geometry [B, d_g]; image [B, H, W, C] in [0, 1]. Outputs:
    image, canonical and warped float32 in [0, 1], displacement (dx, dy) [B, S, S, 2] in pixels,
    image_bytes PNG files [B].

    * generate: z_appearance and z_geometry to image, canonical and displacement (Eq. 1).
    * generate_png: the same latents to image_bytes and canonical_bytes.
    * appearance: z_appearance to canonical; displacement: z_geometry to displacement.
    * warp: images of any kind and size and z_geometry to warped (Fig. 12a).

    A model without geometry has generate and generate_png alone, with z_appearance and image.

    Args:
        model: with `latent_dims`, `part` and `combine`, such as `portable` makes.

    Returns:
        {name: `tf.function` with an input signature}; each refuses what it cannot answer.
    """
    dims = dict(model.latent_dims)
    latents = [_latent_spec(name, dim) for name, dim in dims.items()]

    def made(values):
        z = dict(zip(dims, _checked_latents(dims, values), strict=True))
        parts = {name: model.part(name, value) for name, value in z.items()}
        images = {"image": unit(model.combine(parts))}
        if "geometry" in dims:
            images["canonical"] = unit(parts["appearance"])
        return images, parts

    def generate(*values):
        images, parts = made(values)
        fields = {"displacement": parts["geometry"]} if "geometry" in dims else {}
        return images | fields

    def generate_png(*values):
        images, _ = made(values)
        return {f"{name}_bytes": _png(image) for name, image in images.items()}

    functions = {"generate": (generate, latents), "generate_png": (generate_png, latents)}
    if "geometry" in dims:
        functions |= _part_functions(model, dims)
    return {name: signature(*given) for name, given in functions.items()}


def _part_functions(model, dims):
    def appearance(z_appearance):
        (z,) = _checked_latents({"appearance": dims["appearance"]}, [z_appearance])
        return {"canonical": unit(model.part("appearance", z))}

    def displacement(z_geometry):
        (z,) = _checked_latents({"geometry": dims["geometry"]}, [z_geometry])
        return {"displacement": model.part("geometry", z)}

    def warp_image_batch(image, z_geometry):
        image = checked("image", image, [None] * 4, 0.0, 1.0, "in [0, 1]")
        (z,) = _checked_latents({"geometry": dims["geometry"]}, [z_geometry])
        image, z = same_batch(("image", "z_geometry"), (image, z))
        sizes = tf.shape(image)
        field = enlarged_field(model.part("geometry", z), sizes[1], sizes[2])
        border = deforming_generator(model).border
        return {"warped": unit(warp(signed(image), field, border=border, jit_compile=False))}

    specs = {name: _latent_spec(name, dim) for name, dim in dims.items()}
    image = tf.TensorSpec([None] * 4, tf.float32, "image")
    return {
        "appearance": (appearance, [specs["appearance"]]),
        "displacement": (displacement, [specs["geometry"]]),
        "warp": (warp_image_batch, [image, specs["geometry"]]),
    }


def reconstruct_function(model, shape, name, output, step_size, sigma, encoder=None):
    """The signature "reconstruct": Langevin inference (Eq. 7) inside the graph.

    Inputs: the observation [B, *shape] in [0, 1]; steps, int32, rounded up to tens; step_size
    (delta) and sigma, float32, 0 for the run's; seed, int64, of the Langevin noise, -1 for a
    descent without noise to a mode; z_appearance, one-hot, if the model is given labels. Chains
    start at zero, or at the guess of an encoder; those of a model with classes in every class, and
    after a quarter of the steps the best goes on alone.

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

    def answer(x, z):
        made = model({group: z[group] for group in model.latent_dims})
        error = squared_error(x, made)
        found = [error, *z.values()]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(value)) for value in found])
        reason = "the inference diverged: give a smaller step_size or a larger sigma"
        with tf.control_dependencies([require(finite, reason)]):
            return {**output(z), name: unit(made), "error": tf.identity(error)}

    def observed(value):
        return signed(checked(name, value, [None, *shape], 0.0, 1.0, "in [0, 1]"))

    if isinstance(model, EncodedModel):

        def encode(value):
            x = observed(value)
            return answer(x, {group: mean for group, (mean, _) in model.encode(x).items()})

        return signature(encode, [spec])

    given = model.given_groups

    def reconstruct(value, steps, step_size_, sigma_, seed, *labels):
        x = observed(value)
        known = _known(model, given, labels, name, x)
        settings = _checked_settings(steps, step_size_, sigma_, seed, step_size, sigma)
        return answer(x, _inferred(model, x, known, encoder, *settings))

    numbers = (
        ("steps", tf.int32),
        ("step_size", tf.float32),
        ("sigma", tf.float32),
        ("seed", tf.int64),
    )
    scalars = [tf.TensorSpec([], kind, called) for called, kind in numbers]
    labels = [_latent_spec(group, model.latent_dims[group]) for group in given]
    return signature(reconstruct, [spec, *scalars, *labels])


def _known(model, given, labels, name, x):
    """The latents that come with a request, [B, d] by group."""
    if not given:
        return {}
    dims = {group: model.latent_dims[group] for group in given}
    values = _checked_latents(dims, labels)
    same_batch([name, *(f"z_{group}" for group in given)], [x, *values])
    return dict(zip(given, values, strict=True))


def _checked_settings(steps, step_size, sigma, seed, run_step_size, run_sigma):
    steps = checked("steps", steps, [], 1, MAX_STEPS, f"from 1 to {MAX_STEPS}")
    seed = checked("seed", seed, [], NO_NOISE, None, "0 or more, or -1 for no noise")
    wanted = f"above 0 and at most {MAX_STEP_SIZE:g}, or 0 for the run's own"
    step_size = checked("step_size", step_size, [], 0.0, MAX_STEP_SIZE, wanted)
    sigma = checked("sigma", sigma, [], 0.0, None, "above 0, or 0 for the run's own")
    step_size = tf.where(tf.equal(step_size, 0.0), run_step_size, step_size)
    return steps, step_size, tf.where(tf.equal(sigma, 0.0), run_sigma, sigma), seed


def _inferred(model, x, known, encoder, steps, step_size, sigma, seed):
    """Latents [B, d] of each group after a loop over tens of Langevin steps."""
    inference = Inference(
        model,
        step_size=step_size,
        sigma=sigma,
        noise=seed >= 0,
        starts=1,
        seed=seed,
        encoder=encoder,
        portable=True,
    )
    count = tf.shape(x)[0]
    ids = tf.range(tf.cast(count, tf.int64))
    z = inference.starts_of(x, None, known)
    done, chunks = tf.constant(0, tf.int64), tf.cast((steps + 9) // 10, tf.int64)
    scale = tf.ones_like(next(iter(z.values()))[:, :1])
    for group in model.class_groups:
        starts = model.latent_dims[group]
        x_all, ids_all = tf.tile(x, [starts] + [1] * (x.shape.rank - 1)), tf.tile(ids, [starts])
        quarter = tf.maximum(chunks // 4, 1)
        z, scale = _advanced(inference, x_all, ids_all, z, scale, done, quarter)
        z, scale = inference.lowest(x_all, z, scale, count)
        done = quarter
    z, _ = _advanced(inference, x, ids, z, scale, done, chunks)
    return z


def _advanced(inference, x, ids, z, scale, done, chunks):
    """Latents and step scale after `chunks` tens of Langevin steps, of which some are done."""
    dims = {group: value.shape[1] for group, value in z.items()}

    def ten_more(chunk, z, scale):
        z, scale = inference.advance(x, z, ids, chunk + 1, scale)
        z = {group: tf.ensure_shape(value, [None, dims[group]]) for group, value in z.items()}
        return chunk + 1, z, tf.ensure_shape(scale, [None, 1])

    shapes = {group: tf.TensorShape([None, dim]) for group, dim in dims.items()}
    _, z, scale = tf.while_loop(
        lambda chunk, *_: chunk < chunks,
        ten_more,
        (done, z, scale),
        shape_invariants=(done.shape, shapes, tf.TensorShape([None, 1])),
    )
    return z, scale


def unit(image):
    """An image in [-1, 1] on the scale [0, 1], where rounding may not leave it."""
    return tf.clip_by_value((image + 1.0) / 2.0, 0.0, 1.0)


def signed(image):
    """An image in [0, 1] on the scale [-1, 1]."""
    return 2.0 * image - 1.0


def _png(image):
    return tf.io.encode_png(tf.cast(tf.round(255.0 * image), tf.uint8))


def _latent_spec(name, dim):
    return tf.TensorSpec([None, dim], tf.float32, f"z_{name}")


def _checked_latents(dims, values):
    names = [f"z_{name}" for name in dims]
    found = [
        checked_latent(name, value, [None, dim])
        for name, value, dim in zip(names, values, dims.values(), strict=True)
    ]
    return same_batch(names, found) if len(found) > 1 else found


def signature(python_function, specs):
    """A `tf.function` with named inputs, as servers want it."""
    return tf.function(python_function, input_signature=specs, autograph=False)
