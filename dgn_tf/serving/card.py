"""The page that goes with an exported model."""

import keras
import tensorflow as tf

_PAPER = (
    "Xing, Gao, Han, Zhu and Wu, Deformable Generator Networks: Unsupervised Disentanglement of "
    "Appearance and Geometry, IEEE TPAMI 44(3), 2022"
)


def model_card(name, config, model, functions, metrics):
    """MODEL_CARD.md: what the model is, answers and can do, with the flags that make it again.

    Args:
        name: the model is served as.
        config: the `Config` of its run.
        model: the exported model.
        functions: {signature: `tf.function`}.
        metrics: what was measured, {text: number}.

    Returns:
        Text in Markdown.
    """
    side = config.data.side
    lines = [
        *_facts(name, config, model),
        "",
        "## What it answers",
        "",
        "Images go in and out as float32 in [0, 1] (outputs ending in `_bytes`: PNG files), "
        "displacements as (dx, dy) in pixels. The batch, the first size, is free. A request that "
        "cannot be answered (another shape, a NaN, latents beyond 1000, images out of [0, 1], "
        "steps out of 1 to 2000) gets an error that says so.",
        "",
        *_signature_table(functions),
        "",
        "`step_size` and `sigma` 0 stand for the run's own; `seed` -1 for a descent without noise, "
        "0 or more for a sample of the posterior; steps are rounded up to tens.",
        "",
        "## Measured",
        "",
        *_metric_table(metrics),
        "",
        "## Meant for",
        "",
        f"Images like those it learned from, seen at {side}x{side}. Of other images "
        "it makes what it has learned; it does not say that they are others. It knows nothing of "
        "who is in an image and must not be used to tell.",
        "",
        "## The flags that make it again",
        "",
        "```",
        *(f"--{flag}={_flag(value)}" for flag, (value, _) in config.settings().items()),
        "```",
        "",
        "`sha256sum -c SHA256SUMS` checks the files; `golden.npz` holds a request and the Keras "
        "model's answer for every signature.",
    ]
    return "\n".join(lines) + "\n"


def _facts(name, config, model):
    data, learning = config.data, config.learning
    shape = f"{data.side}x{data.side}x{data.channels}"
    if data.frames:
        shape = f"clips of {data.frames} frames of {shape}"
    learned_from = f"`{data.data}`"
    if data.where:
        learned_from += f", those with {data.where}"
    if data.limit:
        learned_from += f", the first {data.limit}"
    weights = f"averaged (--ema={learning.ema:g})" if learning.ema else "of the last step"
    groups = ", ".join(
        f"{group} {dim} ({_kind(model, group)})" for group, dim in model.latent_dims.items()
    )
    return [
        f"# {name}",
        "",
        f"A model of the kind `{config.model.model}` (dgn_tf), after {_PAPER}.",
        "",
        f"* Learned from: {learned_from}.",
        f"* Makes: {shape}.",
        f"* Latents: {groups}.",
        f"* Parameters: {model.count_params():,}; weights {weights}.",
        f"* Made with TensorFlow {tf.__version__} and Keras {keras.__version__}.",
    ]


def _kind(model, group):
    """What a latent group is a priori."""
    if group in model.given_groups:
        return "a one-hot label, which is given"
    if group in model.class_groups:
        return "a one-hot class, all as likely"
    return "standard normal"


def _signature_table(functions):
    yield "| signature | inputs | outputs |"
    yield "| --- | --- | --- |"
    for name, function in functions.items():
        outputs = function.get_concrete_function().structured_outputs
        inputs = ", ".join(_described(spec.name, spec) for spec in function.input_signature)
        results = ", ".join(_described(key, outputs[key]) for key in sorted(outputs))
        yield f"| `{name}` | {inputs} | {results} |"


def _described(name, tensor):
    kind = "" if tensor.dtype == tf.float32 else f" {tensor.dtype.name}"
    sizes = ", ".join("?" if size is None else str(size) for size in tensor.shape)
    return f"`{name}`{kind} [{sizes}]" if tensor.shape.rank else f"`{name}`{kind}"


def _metric_table(metrics):
    if not metrics:
        yield "Nothing: the run was exported without an evaluation (`dgn_tf.evaluate`)."
        return
    yield "| number | value |"
    yield "| --- | --- |"
    for name, value in metrics.items():
        yield f"| {name} | {value:.4g} |"


def _flag(value):
    return str(value).lower() if isinstance(value, bool) else value
