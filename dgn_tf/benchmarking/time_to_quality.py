"""How good trainings with different settings are after the same time.

    python -m dgn_tf.benchmarking.time_to_quality --settings=paper,quickstart --seconds=600 \
        --data=heads --side=32 --output=runs/quality.json

Every setting is trained as dgn_tf.train does it, one after the other, for as many epochs as last
about --seconds: a schedule comes to its end. At 1/20, 1/10, 1/5, 2/5, 4/5 of the time and at the
end latents of the same held-out images are inferred without noise, all by the same inference.
Neither compiling nor measuring counts as time. Writes the numbers, a table in Markdown (.md) and a
chart (.png) beside them.
"""

import dataclasses
import json
import pathlib
import statistics
import time
from collections.abc import Callable

import absl.flags
import keras
import numpy as np
import tensorflow as tf

from dgn_tf.benchmarking.charts import drawn, log_axes, new_canvas
from dgn_tf.benchmarking.timing import check_output, machine
from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import config_from_file
from dgn_tf.config import SIDES, Config, InferenceConfig
from dgn_tf.config.fields import require
from dgn_tf.data.batches import steps_per_epoch
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.sources import catalog
from dgn_tf.evaluation.experiments.held_out import factor_r2
from dgn_tf.evaluation.metrics.errors import pca_msre, squared_errors
from dgn_tf.inference.encoder import make_inference
from dgn_tf.models.factory import make_model
from dgn_tf.training.callbacks import ProgressReport
from dgn_tf.training.factory import compiles_step, make_learner
from dgn_tf.training.loop import fit
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import write_text
from dgn_tf.utils.progress import progress_bar
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.images import save_png

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "flags"
FILES = {"paper": "celeba64"}
FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.8)
# Steps that are timed before a training, to know how many fill its time.
_TIMED = 10
# Of the inference at side 32; as the images grow, so does the noise of as tight a posterior.
_STEP_SIZE, _SIGMA = 0.1, 0.3


def setting(name: str, data: str, side: int, limit: int) -> Config:
    """The settings flags/NAME.cfg ("paper": celeba64.cfg) for other images.

    Raises:
        InputError: there is no such flagfile, or it is not for images.
    """
    path = FOLDER / f"{FILES.get(name, name)}.cfg"
    if not path.is_file():
        known = ", ".join(["paper", *sorted(p.stem for p in FOLDER.glob("*.cfg"))])
        raise InputError(f"--settings={name}: must be one of {known}.")
    config = config_from_file(path)
    if config.data.frames or config.model.appearance != "continuous":
        raise InputError(f"--settings={name}: is not for images without labels.")
    data = dataclasses.replace(config.data, data=data, side=side, limit=limit)
    return dataclasses.replace(config, data=data)


class Measurements(keras.callbacks.Callback):
    """Measures when so many seconds of training have passed, and at the end.

    The clock starts after the first step, which compiles, and stands still while it is measured.

    Args:
        seconds: when to measure, rising.
        measure: returns numbers by name.

    Attributes:
        rows: for each measurement its numbers, `seconds` and `step`.
    """

    def __init__(self, seconds: list[float], measure: Callable[[], dict[str, float]]):
        super().__init__()
        self.rows, self._due, self._measure = [], list(seconds), measure
        self._start, self._step = None, 0

    def on_train_batch_end(self, batch, logs=None):
        """Measure if it is time."""
        self._step += 1
        if self._start is None:
            self._start = time.monotonic()
        elif self._due and time.monotonic() - self._start >= self._due[0]:
            self._add()

    def on_train_end(self, logs=None):
        """Measure the trained model."""
        if not self.rows or self.rows[-1]["step"] < self._step:
            self._add()

    def _add(self):
        now = time.monotonic()
        passed = now - self._start
        self._due = [due for due in self._due if due > passed]
        self.rows.append({"seconds": passed, "step": self._step, **self._measure()})
        self._start += time.monotonic() - now


class Ticks(keras.callbacks.Callback):
    """The time at the end of every step."""

    def __init__(self):
        super().__init__()
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        """Look at the clock."""
        self.times.append(time.monotonic())


def lasting(config: Config, examples: Examples, seconds: float) -> Config:
    """The settings with as many epochs as a training of about `seconds` here has."""
    learning, ticks = config.learning, Ticks()
    per_epoch = steps_per_epoch(len(examples), learning.batch_size)
    fit(
        make_learner(learning, examples, new_model(config, examples)),
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


def new_model(config: Config, examples: Examples):
    """The untrained model, always the same."""
    keras.utils.set_random_seed(config.learning.seed)
    return make_model(config.model, examples.side, examples.channels)


def train(config: Config, train_set: Examples, test_set: Examples, due: list[float], steps: int):
    """The rows of `Measurements` of a whole training.

    Args:
        config: the settings; their epochs are trained.
        train_set: what is learned.
        test_set: what is measured; its factor `yaw`, if there is one, is predicted from the latents
            of each group ("r2_" and the group's name).
        due: seconds at which to measure.
        steps: Langevin steps of the inference.
    """
    learning, model = config.learning, new_model(config, train_set)
    scale, x = test_set.side / 32, as_float(test_set.images)
    settings = {"step_size": _STEP_SIZE * scale, "sigma": _SIGMA * scale}
    inference = make_inference(model, InferenceConfig(steps=steps, starts=1, **settings))

    def measure():
        latents = inference(x, test_set.ids)
        found = {"msre": float(squared_errors(x, decode(model, latents)[0]).mean())}
        if "yaw" in test_set.factors:
            r2 = factor_r2(latents, {"yaw": test_set.factors["yaw"]})
            found |= {f"r2_{group}": value for group, value in r2["yaw"].items()}
        return found

    measurements = Measurements(due, measure)
    fit(
        make_learner(learning, train_set, model),
        train_set,
        batch_size=learning.batch_size,
        epochs=learning.epochs,
        seed=learning.seed,
        callbacks=[ProgressReport(), measurements],
        jit=compiles_step(config.execution),
    )
    return measurements.rows


def table(result: dict) -> str:
    """The rows of all settings in Markdown."""
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
    lines = [f"| {' | '.join(heads)} |", "| " + " | ".join("---" for _ in heads) + " |"]
    for name, found in result["trainings"].items():
        for row in found["rows"]:
            cells = [name, f"{row['seconds']:.0f}", str(row["step"]), f"{row['msre']:.1f}"]
            cells += [f"{row[group]:.2f}" if group in row else "" for group in groups]
            lines.append(f"| {' | '.join(cells)} |")
        cells = [f"PCA, {found['components']} components", "", "", f"{found['msre_pca']:.1f}"]
        lines.append(f"| {' | '.join(cells + [''] * len(groups))} |")
    return "\n".join(lines) + "\n"


def chart(result: dict) -> np.ndarray:
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


def main(_: list[str]) -> None:
    """Train and measure all settings, print the table and write the three files."""
    values = absl.flags.FLAGS
    for name in ("seconds", "held_out", "limit", "inference_steps"):
        require(values[name].value >= 1, name, values[name].value, "at least 1")
    output = pathlib.Path(values.output or "")
    if output.suffix != ".json":
        raise InputError(f"--output={values.output}: must be a file that ends in .json.")
    check_output(output)
    side, limit = int(values.side), values.limit
    configs = {name: setting(name, values.data, side, limit) for name in values.settings}
    if not configs:
        raise InputError("--settings: name at least one.")
    # As dgn_tf.train does, at whatever it costs.
    tf.config.experimental.enable_op_determinism()
    with progress_bar("Reading images") as report:
        examples = catalog.load(
            values.data, side, 3, limit + values.held_out, values.data_dir or None, report
        )
    if len(examples) < 2 * values.held_out:
        raise InputError(
            f"--data={values.data} has {len(examples)} images: too few to hold out "
            f"--held_out={values.held_out} and learn from at least as many."
        )
    last = len(examples) - values.held_out
    train_set, test_set = examples.subset(range(last)), examples.subset(range(last, len(examples)))
    result = {
        "machine": machine(),
        "data": values.data,
        "side": side,
        "examples": last,
        "held_out": values.held_out,
        "seconds": values.seconds,
        "trainings": {},
    }
    for name, config in configs.items():
        print(f"timing a step: {name} ...", flush=True)
        config = lasting(config, train_set, values.seconds)
        print(f"training: {name}, {config.learning.epochs} epochs ...", flush=True)
        due = [values.seconds * fraction for fraction in FRACTIONS]
        components = config.model.appearance_dim + config.model.geometry_dim
        result["trainings"][name] = {
            "config": dataclasses.asdict(config),
            "rows": train(config, train_set, test_set, due, values.inference_steps),
            "components": components,
            "msre_pca": pca_msre(*(as_float(s.images) for s in (train_set, test_set)), components),
        }
        # After each setting: a later one may be stopped.
        write_text(output, json.dumps(result, indent=2) + "\n")
        write_text(output.with_suffix(".md"), table(result))
        save_png(output.with_suffix(".png"), chart(result))
    print("\n" + table(result), end="")


def define_flags() -> None:
    """Declares the flags of this app."""
    define = absl.flags
    define.DEFINE_list("settings", ["paper", "quickstart"], "Flagfiles in flags/, and paper.")
    define.DEFINE_string("data", "heads", "What to learn from, as of dgn_tf.train.")
    define.DEFINE_string("data_dir", "", "Folder of prepared TFDS data sets.")
    define.DEFINE_enum("side", "32", [str(side) for side in SIDES], "Of the images in pixels.")
    define.DEFINE_integer("limit", 2000, "Images to learn from.")
    define.DEFINE_integer("held_out", 300, "Images after them, to measure.")
    define.DEFINE_integer("inference_steps", 200, "Langevin steps of a measurement.")
    define.DEFINE_float("seconds", 600.0, "How long each setting is trained.")
    define.DEFINE_string("output", None, "A .json file; .md and .png are written beside it.")


if __name__ == "__main__":
    define_flags()
    run_app(main)
