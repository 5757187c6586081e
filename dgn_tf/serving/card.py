"""The page that goes with an exported model, and the measurements that it shows."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.config import CLIP_MODELS, Config
from dgn_tf.data.sources import source_of
from dgn_tf.inference.statistics import prior_latents
from dgn_tf.serving.signatures import Signatures
from dgn_tf.types import (
    ClipModel,
    LatentArrays,
    LatentModel,
    Tensor,
    has_geometry,
    one_hot_groups,
)
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.clips import decode_clips, frames_sheet
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.images import as_images, lay_out

_PAPER = (
    "Xing, Gao, Han, Zhu and Wu, Deformable Generator Networks: Unsupervised Disentanglement of "
    "Appearance and Geometry, IEEE TPAMI 44(3), 2022"
)
# The picture of a model card, which lies beside it: so many images, at least so large.
PICTURE = "picture.png"
_SHOWN, _SHOWN_SIDE = 4, 64
# Experiments whose numbers the page shows.
_MEASURING = ("held_out", "clips")


class Measured(NamedTuple):
    """What dgn_tf.evaluate has measured of a run.

    Attributes:
        numbers: by name, of the weights that are exported.
        outdated: reports of other weights, which are left out.
    """

    numbers: dict[str, float]
    outdated: list[Path]


def measured_numbers(evaluation: Path, checkpoint: str) -> Measured:
    """The numbers of the model card, from the reports of a run's evaluation.

    Args:
        evaluation: folder of the reports, EXPERIMENT/report.json each.
        checkpoint: name of the one whose weights are exported.

    Raises:
        InputError: a report is damaged.
    """
    found = Measured({}, [])
    for experiment in _MEASURING:
        path = evaluation / experiment / "report.json"
        if not path.is_file():
            continue
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
            numbers, measured = report["numbers"], report["origin"].get("checkpoint")
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            raise InputError(
                f"{path} is damaged: run dgn_tf.evaluate again, or remove it."
            ) from None
        if measured == checkpoint:
            found.numbers.update(_flat(numbers))
        else:
            found.outdated.append(path)
    return found


def _flat(numbers: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of nested sections, under the names of all their sections."""
    for name, value in numbers.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name} ")
        elif isinstance(value, int | float):
            yield f"{before}{name}", value


def model_card(
    name: str, config: Config, model: Any, functions: Signatures, metrics: Mapping[str, float]
) -> str:
    """MODEL_CARD.md: what the model is, what it answers, and the flags that trained it.

    Args:
        name: what the model is served as.
        config: the settings of its run.
        model: the exported model.
        functions: its signatures.
        metrics: what was measured, by name.

    Returns:
        Text in Markdown.
    """
    side = config.data.side
    lines = [
        *_header(name, config, metrics),
        *_facts(name, config, model),
        "",
        f"![What the model paints, and what it is made of]({PICTURE})",
        "",
        "## Use",
        "",
        *_use(name, config, model),
        "",
        "## Signatures",
        "",
        "Images are float32 in [0, 1]. Inputs whose names end in `_bytes` are JPEG or PNG files, "
        "turned upright (EXIF), made opaque on white and, but for `warp_bytes`, cropped to the "
        "center square and resized; outputs whose names end so are PNG files. Displacements are "
        "(dx, dy) in pixels. The first size, the batch, may be any. A request that "
        "cannot be answered (a wrong shape, a NaN, latents beyond 1000, images outside [0, 1], "
        "steps outside 1 to 2000) gets an error that says why.",
        "",
        *_signature_table(functions),
        "",
        "`step_size` and `sigma` 0 stand for the run's own; `seed` -1 for a descent without noise, "
        "0 or more for a sample of the posterior; steps are rounded up to tens.",
        "",
        "## Measurements",
        "",
        *_metric_table(metrics),
        "",
        "## Intended use",
        "",
        f"Images like those it was trained on, at {side}x{side}, for research and for pictures of "
        "people who have agreed to them. It does not recognize people and must not be used to "
        "identify them, or to show them as they have not agreed to be shown.",
        "",
        "## Limits",
        "",
        "* Other images than those it was trained on come back as what it has learned. `error`, "
        "beside that of training images, tells.",
        "* It has the biases of its training images, and knows nothing that they do not show.",
        "* Fields move what is there: what the canonical image does not show (an open mouth, the "
        "far side of a head) is smeared or left out.",
        "",
        "## Training flags",
        "",
        "```",
        *(f"--{flag}={_flag(value)}" for flag, (value, _) in config.settings().items()),
        "```",
        "",
        "`sha256sum -c SHA256SUMS` checks the files; `golden.npz` holds, for every signature, a "
        "request and the Keras model's answer to it.",
    ]
    return "\n".join(lines) + "\n"


def card_picture(model: LatentModel, latents: LatentArrays | None) -> np.ndarray:
    """What a model makes of a few latents, and its parts: the picture of its card.

    Args:
        model: of images or clips.
        latents: [N, d] by group; None for draws of the prior.

    Returns:
        uint8 [height, width, 3].
    """
    if not latents:
        latents = prior_latents(model.latent_dims, one_hot_groups(model), _SHOWN)
    few = {name: z[:_SHOWN] for name, z in latents.items()}
    if isinstance(model, ClipModel):
        clips, _ = decode_clips(model, {name: z[:2] for name, z in few.items()})
        return frames_sheet({f"clip {number}": clip for number, clip in enumerate(clips, 1)})
    images, parts = decode(model, few)
    factor = max(1, _SHOWN_SIDE // images.shape[1])
    rows = {"images": as_images(images, factor)}
    if has_geometry(model):
        rows["appearance"] = as_images(parts["appearance"], factor)
        rows["geometry"] = draw_grid(images, parts["geometry"], factor)
    return lay_out(list(rows.values()), list(rows))


def _header(name: str, config: Config, metrics: Mapping[str, float]) -> list[str]:
    """The YAML front matter that model hubs read; strings are quoted as JSON, which YAML knows."""
    source, rest = source_of(config.data.data)
    tags = ["keras", "tensorflow", "deformable-generator", "disentanglement", config.model.model]
    lines = [
        "---",
        # Whose images a model has learned from, the program does not know.
        f"license: {'mit' if source.drawn else 'other'}",
        "library_name: dgn_tf",
        f"model_name: {json.dumps(name)}",
        "tags:",
        *(f"  - {tag}" for tag in tags),
    ]
    if config.model.model not in CLIP_MODELS:
        lines.append("pipeline_tag: unconditional-image-generation")
    # A path of somebody's machine is no data set.
    dataset = source.kind if source.drawn else rest.partition(":")[0]
    if source.drawn or source.kind == "tfds":
        lines += ["datasets:", f"  - {json.dumps(dataset)}"]
    if metrics:
        lines += ["metrics:", "  - mse"]
    return [*lines, "---", ""]


def _use(name: str, config: Config, model: Any) -> list[str]:
    """Three lines of Python: those of the package, or of the server's client."""
    if config.model.model in ("deformable", "dynamic"):
        file = "clip.mp4" if config.data.frames else "image.png"
        return [
            "```python",
            "import dgn_tf as dgn",
            "",
            f'model = dgn.load("saved_models/{name}")',
            f'model.paint(model.infer("{file}")).save("painted.png")',
            "```",
        ]
    zeros = ", ".join(
        f"z_{group}=np.zeros([1, {dim}], 'f')" for group, dim in model.latent_dims.items()
    )
    return [
        "```python",
        "import numpy as np",
        "from dgn_tf.serving.client import RestClient",
        "",
        f'RestClient("{name}", "http://localhost:8501").predict("serving_default", {zeros})',
        "```",
    ]


def _facts(name: str, config: Config, model: Any) -> list[str]:
    data, learning = config.data, config.learning
    shape = f"{data.side}x{data.side}x{data.channels}"
    if data.frames:
        shape = f"clips of {data.frames} frames of {shape}"
    learned_from = f"`{data.data}`"
    if data.where:
        learned_from += f", those with {data.where}"
    if data.limit:
        learned_from += f", the first {data.limit}"
    weights = f"averaged (--ema={learning.ema:g})" if learning.ema else "those of the last step"
    groups = ", ".join(
        f"{group} {dim} ({_kind(model, group)})" for group, dim in model.latent_dims.items()
    )
    return [
        f"# {name}",
        "",
        f"A model of the kind `{config.model.model}` (dgn_tf), after {_PAPER}.",
        "",
        f"* Trained on: {learned_from}.",
        f"* Output: {shape}.",
        f"* Latents: {groups}.",
        f"* Parameters: {model.count_params():,}; weights {weights}.",
        f"* Exported with TensorFlow {tf.__version__} and Keras {keras.__version__}.",
    ]


def _kind(model: Any, group: str) -> str:
    """The prior of a latent group, in words."""
    if group in model.given_groups:
        return "a one-hot label, which is given"
    if group in model.class_groups:
        return "a one-hot class, all equally likely"
    return "standard normal"


def _signature_table(functions: Signatures) -> Iterator[str]:
    yield "| signature | inputs | outputs |"
    yield "| --- | --- | --- |"
    for name, function in functions.items():
        outputs = function.get_concrete_function().structured_outputs
        inputs = ", ".join(_described(spec.name, spec) for spec in function.input_signature)
        results = ", ".join(_described(key, outputs[key]) for key in sorted(outputs))
        yield f"| `{name}` | {inputs} | {results} |"


def _described(name: str, tensor: Tensor) -> str:
    kind = "" if tensor.dtype == tf.float32 else f" {tensor.dtype.name}"
    sizes = ", ".join("?" if size is None else str(size) for size in tensor.shape)
    return f"`{name}`{kind} [{sizes}]" if tensor.shape.rank else f"`{name}`{kind}"


def _metric_table(metrics: Mapping[str, float]) -> Iterator[str]:
    if not metrics:
        yield "None: the run was exported before an evaluation (`dgn_tf.evaluate`)."
        return
    yield "| number | value |"
    yield "| --- | --- |"
    for name, value in metrics.items():
        yield f"| {name} | {value:.4g} |"


def _flag(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
