"""How good trainings with different settings are after the same time.

Every setting is trained as dgn_tf.train does it, one after the other, for as many epochs as last
about `seconds`: a schedule comes to its end. At 1/20, 1/10, 1/5, 2/5 and 4/5 of the time and at the
end latents of the same held-out images are inferred without noise, all by the same inference.
Neither compiling nor measuring counts as time.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.benchmarking.charts import drawn, log_axes, new_canvas
from dgn_tf.benchmarking.part import Part
from dgn_tf.cli.flags import config_from_file
from dgn_tf.cli.presets import preset_path
from dgn_tf.config import CLIP_MODELS, MODELS, Config, InferenceConfig
from dgn_tf.config.benchmark import QualitySettings
from dgn_tf.config.fields import require_at_least
from dgn_tf.data.batches import steps_per_epoch
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.sources import load
from dgn_tf.evaluation.metrics.errors import pca_msre, squared_errors
from dgn_tf.evaluation.metrics.r2 import factor_r2
from dgn_tf.evaluation.transfer.trainings import training_of
from dgn_tf.inference.encoder import make_langevin_inference
from dgn_tf.models.factory import make_model, proposing_encoder
from dgn_tf.training.callbacks import ProgressReport
from dgn_tf.training.factory import compiles_step, make_learner
from dgn_tf.training.loop import fit
from dgn_tf.types import LatentModel
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar
from dgn_tf.visualize.decoding import decode

FILES = {"paper": "celeba64"}
IMAGE_MODELS = tuple(name for name in MODELS if name not in CLIP_MODELS)
FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.8)
# Steps that are timed before a training, to know how many fill its time.
_TIMED = 10
# Of the inference at side 32; as the images grow, so does the noise of as tight a posterior.
_STEP_SIZE, _SIGMA = 0.1, 0.3


def flagfile_settings(name: str, data: str, side: int, limit: int) -> Config:
    """The settings of a preset ("paper": celeba64) for other images.

    Args:
        name: of the preset, or PRESET:MODEL for a rival of its model that is as large and has as
            many latents, such as quickstart:vae.
        data: what to learn from.
        side: of the images in pixels.
        limit: how many of them.

    Raises:
        InputError: there is no such preset or model, or it is not for images.
    """
    preset, _, model = name.partition(":")
    config = config_from_file(preset_path(FILES.get(preset, preset), "settings"))
    if config.data.frames or config.model.appearance != "continuous":
        raise InputError(f"`settings={name}`: is not for images without labels.")
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, data=data, side=side, limit=limit)
    )
    if not model:
        return config
    if model not in IMAGE_MODELS:
        raise InputError(f"`settings={name}`: {model!r} must be one of {', '.join(IMAGE_MODELS)}.")
    return training_of(config, model, config.learning.seed)


class Measurements(keras.callbacks.Callback):
    """Measures a model after given seconds of training, and at the end.

    The clock starts after the first step, which compiles, and stands still during a measurement.

    Args:
        seconds: when to measure, rising.
        measure: returns numbers by name.

    Attributes:
        rows: for each measurement its numbers, `seconds` and `step`.
    """

    def __init__(self, seconds: list[float], measure: Callable[[], dict[str, float]]):
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self._due, self._measure = list(seconds), measure
        self._start: float | None = None
        self._step = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Measure if it is time."""
        self._step += 1
        if self._start is None:
            self._start = time.monotonic()
        elif self._due and time.monotonic() - self._start >= self._due[0]:
            self._add()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Measure the trained model."""
        if not self.rows or self.rows[-1]["step"] < self._step:
            self._add()

    def _add(self) -> None:
        now = time.monotonic()
        # A training without a step has taken no time.
        start = now if self._start is None else self._start
        passed = now - start
        self._due = [due for due in self._due if due > passed]
        self.rows.append({"seconds": passed, "step": self._step, **self._measure()})
        self._start = start + time.monotonic() - now


class Ticks(keras.callbacks.Callback):
    """The time at the end of every step."""

    def __init__(self):
        super().__init__()
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Look at the clock."""
        self.times.append(time.monotonic())


def lasting(config: Config, examples: Examples, seconds: float) -> Config:
    """The settings with as many epochs as a training here has in about `seconds`."""
    learning, ticks = config.learning, Ticks()
    per_epoch = steps_per_epoch(len(examples), learning.batch_size)
    model = new_model(config, examples)
    fit(
        make_learner(learning, examples, model, encoder=proposing_encoder(config, model)),
        examples,
        batch_size=learning.batch_size,
        epochs=-(-(_TIMED + 1) // per_epoch),
        callbacks=[ticks],
        jit=compiles_step(config.execution),
        should_stop=lambda: len(ticks.times) > _TIMED,
    )
    step = statistics.median(np.diff(ticks.times))
    epochs = max(1, round(seconds / (step * per_epoch)))
    return dataclasses.replace(config, learning=dataclasses.replace(learning, epochs=epochs))


def new_model(config: Config, examples: Examples) -> LatentModel:
    """The untrained model of images like `examples`, always the same."""
    keras.utils.set_random_seed(config.learning.seed)
    return make_model(config.model, examples.side, examples.channels)


def train(
    config: Config, train_set: Examples, test_set: Examples, due: list[float], steps: int
) -> list[dict[str, float]]:
    """The rows of `Measurements` of a whole training.

    Args:
        config: the settings; their epochs are trained.
        train_set: what is learned.
        test_set: what is measured; its factor `yaw`, if there is one, is predicted from the latents
            of each group ("r2_" and the group's name).
        due: seconds at which to measure.
        steps: Langevin steps of the inference, from the encoder's guess or from zero.

    Returns:
        For each measurement "seconds", "step", "msre" and the "r2_" of each group.
    """
    learning, model = config.learning, new_model(config, train_set)
    encoder = proposing_encoder(config, model)
    scale, x = test_set.side / 32, as_float(test_set.images)
    settings = InferenceConfig(steps, starts=1, step_size=_STEP_SIZE * scale, sigma=_SIGMA * scale)
    inference = make_langevin_inference(model, settings, encoder)

    def measured() -> dict[str, float]:
        latents = inference(x, test_set.ids)
        found = {"msre": float(squared_errors(x, decode(model, latents)[0]).mean())}
        if "yaw" in test_set.factors:
            r2 = factor_r2(latents, {"yaw": test_set.factors["yaw"]})
            found |= {f"r2_{group}": value for group, value in r2["yaw"].items()}
        return found

    measurements = Measurements(due, measured)
    fit(
        make_learner(learning, train_set, model, encoder=encoder),
        train_set,
        batch_size=learning.batch_size,
        epochs=learning.epochs,
        seed=learning.seed,
        callbacks=[ProgressReport(), measurements],
        jit=compiles_step(config.execution),
    )
    return measurements.rows


def rows(result: dict[str, Any]) -> Iterator[str]:
    """The measurements of all settings as a table in Markdown."""
    groups = sorted(
        {
            key
            for found in result["trainings"].values()
            for row in found["rows"]
            for key in row
            if key.startswith("r2_")
        }
    )
    heads = ["setting", "seconds", "steps", "MSRE"]
    heads += [f"R² of yaw, {group.removeprefix('r2_')}" for group in groups]
    yield f"| {' | '.join(heads)} |"
    yield "| " + " | ".join("---" for _ in heads) + " |"
    for name, found in result["trainings"].items():
        for row in found["rows"]:
            cells = [name, f"{row['seconds']:.0f}", str(row["step"]), f"{row['msre']:.1f}"]
            cells += [f"{row[group]:.2f}" if group in row else "" for group in groups]
            yield f"| {' | '.join(cells)} |"
        cells = [f"PCA, {found['components']} components", "", "", f"{found['msre_pca']:.1f}"]
        yield f"| {' | '.join(cells + [''] * len(groups))} |"


def chart(result: dict[str, Any]) -> np.ndarray:
    """MSRE, and R² of yaw where it is known, against the seconds of training: uint8 [H, W, 3]."""
    trainings = result["trainings"]
    known = any("r2_geometry" in found["rows"][0] for found in trainings.values())
    figure, canvas = new_canvas((4.5 + 4.5 * known, 3.5))
    panels = np.atleast_1d(figure.subplots(1, 1 + known))
    for number, (name, found) in enumerate(trainings.items()):
        color, rows = f"C{number}", found["rows"]
        seconds = [row["seconds"] for row in rows]
        panels[0].plot(seconds, [row["msre"] for row in rows], "o-", color=color, label=name)
        for group, line in (("geometry", "o-"), ("appearance", "o--")) if known else ():
            if f"r2_{group}" in rows[0]:
                values = [row[f"r2_{group}"] for row in rows]
                panels[1].plot(seconds, values, line, color=color, label=f"{name}, {group}")
    ticks = [float(f"{result['seconds'] * part:.2g}") for part in FRACTIONS]
    log_axes(panels[0], ticks)
    panels[0].set(xlabel="seconds of training", ylabel="held-out MSRE")
    if known:
        log_axes(panels[1], ticks)
        panels[1].set(yscale="linear", xlabel="seconds of training", ylabel="R² of yaw")
    for panel in panels:
        panel.margins(y=0.15)
        panel.legend(fontsize="small", framealpha=0.6)
    return drawn(canvas)


def configs(config: Config, settings: QualitySettings) -> dict[str, Config]:
    """The settings of every training by name; `config` says which images it learns from.

    Raises:
        InputError: a name without a flagfile for images.
    """
    data = config.data
    return {
        name: flagfile_settings(name, data.data, data.side, data.limit) for name in settings.names
    }


def check(config: Config, settings: QualitySettings) -> None:
    """Check that the settings can be trained.

    Raises:
        InputError: a name without a flagfile for images, or no number of images.
    """
    require_at_least(1, config.data, "limit")
    configs(config, settings)


def measure(config: Config, settings: QualitySettings) -> Iterator[dict[str, Any]]:
    """Train and measure all settings, one after the other.

    Yields:
        After each training "data", "side", "examples" learned from, "held_out", "seconds" that each
        training should last, and "trainings" by name: its "config", the "rows" of `train`, and the
        held-out error "msre_pca" of as many principal "components" as it has latents.

    Raises:
        InputError: there are too few images.
    """
    data, held_out = config.data, settings.held_out
    # As dgn_tf.train does, at whatever cost in speed.
    tf.config.experimental.enable_op_determinism()
    with progress_bar("Reading images") as report:
        examples = load(dataclasses.replace(data, channels=3, limit=data.limit + held_out), report)
    if len(examples) < 2 * held_out:
        raise InputError(
            f"`data={data.data}` has {len(examples)} images: too few to hold out "
            f"`held_out={held_out}` and learn from at least as many."
        )
    last = len(examples) - held_out
    train_set, test_set = examples.subset(range(last)), examples.subset(range(last, len(examples)))
    found: dict[str, Any] = {
        "data": data.data,
        "side": data.side,
        "examples": last,
        "held_out": held_out,
        "seconds": settings.seconds,
        "trainings": {},
    }
    for name, each in configs(config, settings).items():
        print(f"timing a step: {name} ...", flush=True)
        each = lasting(each, train_set, settings.seconds)
        print(f"training: {name}, {each.learning.epochs} epochs ...", flush=True)
        due = [settings.seconds * fraction for fraction in FRACTIONS]
        components = sum(new_model(each, train_set).latent_dims.values())
        found["trainings"][name] = {
            "config": dataclasses.asdict(each),
            "rows": train(each, train_set, test_set, due, settings.inference_steps),
            "components": components,
            "msre_pca": pca_msre(as_float(train_set.images), as_float(test_set.images), components),
        }
        yield found


PART = Part(measure, rows, chart, check=check, markdown=True)
