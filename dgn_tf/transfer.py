"""The transfer table (E2, Table I): train rivals alike, fine-tune on one view, test on all.

Usage: python -m dgn_tf.transfer --flagfile=flags/transfer_heads.cfg --run_dir=runs/transfer
"""

import dataclasses
import json
import subprocess
import sys

import numpy as np
from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import config_from_flags, define_config_flags
from dgn_tf.config import MAX_STARTS, MODELS, InferenceConfig
from dgn_tf.config.fields import last_value
from dgn_tf.config.serialization import flagfile
from dgn_tf.data.examples import as_float
from dgn_tf.data.sources import catalog
from dgn_tf.evaluation.experiments.transfer import split_views, transfer_report, view_errors
from dgn_tf.evaluation.report import Figure, show, write_report
from dgn_tf.inference.encoder import make_inference, make_langevin_inference
from dgn_tf.models.factory import make_model
from dgn_tf.runs.directory import Run
from dgn_tf.runs.restoring import load_run
from dgn_tf.types import EncodedModel
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import write_text
from dgn_tf.utils.progress import progress_bar
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.images import as_images, lay_out, whole_factor

FLAGS = absl_flags.FLAGS
_SHOWN = 10


def define_flags():
    """Declare the flags: every setting of `Config`, for the first training, and the table's own."""
    define_config_flags()
    define = absl_flags
    define.DEFINE_string("run_dir", None, "Folder of all runs and the report.", required=True)
    define.DEFINE_list(
        "methods",
        "deformable,abp,vae",
        f"Models to compare, the first with the others: {', '.join(MODELS)}.",
    )
    define.DEFINE_string(
        "target", "heads:views", "Data with a view label to transfer to, in a form of --data."
    )
    define.DEFINE_string("view", "view", "The label of --target that tells the view.")
    define.DEFINE_float("frontal", 0.0, "The view to fine-tune on.")
    define.DEFINE_integer("tuned", 100, "Examples of that view to fine-tune on.", lower_bound=1)
    define.DEFINE_integer("per_view", 100, "Most unseen examples of each view.", lower_bound=1)
    define.DEFINE_integer("tuning_epochs", 100, "Epochs of fine-tuning.", lower_bound=1)
    define.DEFINE_string("tuning_rate", "5e-4", "Learning rate of fine-tuning, or a schedule.")
    define.DEFINE_integer("repeats", 3, "Repetitions, with the seeds 0, 1, ...", lower_bound=1)
    define.DEFINE_integer("steps", 300, "Langevin steps of the test.", lower_bound=1)
    define.DEFINE_integer("starts", 4, "Starts of the test.", lower_bound=1, upper_bound=MAX_STARTS)


def main(argv):
    """Train what is not trained yet, test what is not tested yet, write the table."""
    del argv
    config = config_from_flags(FLAGS)
    check(config)
    plan = [
        Member(config, method, seed) for seed in range(FLAGS.repeats) for method in FLAGS.methods
    ]
    target, views = _target(config)
    tuned, unseen = split_views(target, views, FLAGS.frontal, FLAGS.tuned, FLAGS.per_view)
    if len(tuned) < FLAGS.tuned or not len(unseen):
        raise InputError(
            f"--target={FLAGS.target}: {len(tuned)} examples with {FLAGS.view}={FLAGS.frontal:g} "
            f"to fine-tune on (--tuned={FLAGS.tuned}) and {len(unseen)} unseen ones to test on."
        )
    test, test_views = target.subset(unseen), views[unseen]
    results, parameters, shown = {}, {}, {}
    for number, member in enumerate(plan):
        print(f"{member.name}: {number + 1} of {len(plan)}", flush=True)
        member.train()
        for label, errors in member.test(test, test_views).items():
            results.setdefault(label, []).append(errors)
        if not member.seed:
            parameters[member.method], shown[member.method] = member.describe(test, test_views)
    figure = _figure(test, test_views, shown)
    report = transfer_report(results, parameters, [figure])
    folder = Run(FLAGS.run_dir) / "report"
    names = (
        "target",
        "view",
        "frontal",
        "tuned",
        "per_view",
        "tuning_epochs",
        "tuning_rate",
        "repeats",
        "steps",
        "starts",
        "methods",
    )
    origin = {"config": dataclasses.asdict(config), **{n: FLAGS[n].value for n in names}}
    write_report(folder, report, {"experiment": "transfer", "test": len(test), **origin})
    show(report)
    print(f"\nReport: {folder / 'report.html'}")


def check(config):
    """Refuse settings that would fail after hours.

    Raises:
        InputError: a method or schedule that is not known, or a setting that the table makes.
    """
    for method in FLAGS.methods:
        if method not in MODELS:
            raise InputError(f"--methods: {method!r} must be one of {', '.join(MODELS)}.")
    if len(set(FLAGS.methods)) != len(FLAGS.methods):
        raise InputError(f"--methods={','.join(FLAGS.methods)}: name each once.")
    for name in ("init_from", "freeze", "where"):
        if FLAGS[name].value:
            raise InputError(f"--{name} is for dgn_tf.train: the table sets it itself.")
    if FLAGS.appearance != "continuous":
        raise InputError(
            f"--appearance={FLAGS.appearance}: the table compares models with a continuous one."
        )
    _tuning(config, "", FLAGS.methods[0])


class Member:
    """One method with one seed: its two runs and its errors.

    Rivals without geometry get as many latents as the deformable generator has in both groups, and
    the `alpha` that makes their generator as large as both of its networks together.
    """

    def __init__(self, config, method, seed):
        self.method, self.seed = method, seed
        self.name = f"{method}-{seed}"
        self.config = dataclasses.replace(
            config,
            model=fair(config, method),
            learning=dataclasses.replace(config.learning, seed=seed),
        )
        self.source = Run(FLAGS.run_dir) / self.name
        self.tuned = Run(FLAGS.run_dir) / f"{self.name}-tuned"

    def train(self):
        """Both trainings, each in a process of its own; a finished one takes seconds."""
        _train(self.config, self.source)
        _train(_tuning(self.config, str(self.source), self.method), self.tuned)

    def test(self, test, views):
        """`view_errors` by label: a model with an encoder has two rows, one for each inference."""
        settings = {
            "steps": FLAGS.steps,
            "starts": FLAGS.starts,
            "seed": self.seed,
            "examples": test.fingerprint(),
        }
        path = self.tuned / "evaluation" / "transfer.json"
        if path.exists() and (kept := json.loads(path.read_text()))["settings"] == settings:
            return kept["errors"]
        _, model = load_run(self.tuned)
        errors = {self.method: view_errors(model, test, views, self._latents(model, test))}
        if isinstance(model, EncodedModel):
            latents = self._latents(model, test, by_langevin=True)
            errors[f"{self.method}, Langevin"] = view_errors(model, test, views, latents)
        path.parent.mkdir(exist_ok=True)
        write_text(path, json.dumps({"settings": settings, "errors": errors}) + "\n")
        return errors

    def describe(self, test, views):
        """The numbers of parameters as text, and the reconstructions of the images to show."""
        _, model = load_run(self.tuned)
        counts = [f"{n.count_params():,} ({name})" for name, n in model.networks.items()]
        examples = test.subset(_shown(views))
        images, _ = decode(model, self._latents(model, examples))
        return " + ".join(counts), images

    def _latents(self, model, test, by_langevin=False):
        settings = InferenceConfig(steps=FLAGS.steps, starts=FLAGS.starts, seed=self.seed)
        make = make_langevin_inference if by_langevin else make_inference
        infer = make(model, settings.resolved(self.config.learning))
        with progress_bar(f"{self.name}: inference") as report:
            return infer(as_float(test.images), test.ids, progress=report)


def fair(config, method):
    """The `ModelConfig` of a method that is as large as the deformable generator of `config`."""
    model = dataclasses.replace(config.model, model=method)
    if method not in ("abp", "vae"):
        return model
    side, channels = config.data.side, config.data.channels
    deformable = make_model(
        dataclasses.replace(config.model, model="deformable"), side, channels
    ).count_params()
    dims = config.model.appearance_dim + config.model.geometry_dim

    def sized(alpha):
        return dataclasses.replace(model, appearance_dim=dims, alpha=alpha)

    # Parameters rise with alpha; a filter more or less is as near as whole numbers come.
    low, high = 0.0, 16.0
    for _ in range(12):
        middle = (low + high) / 2
        plain = make_model(dataclasses.replace(sized(middle), model="abp"), side, channels)
        low, high = (middle, high) if plain.count_params() < deformable else (low, middle)
    return sized(round(high, 4))


def _tuning(config, source, method):
    """The settings of the fine-tuning that follows a training with `config`."""
    learning = config.learning
    return dataclasses.replace(
        config,
        data=dataclasses.replace(
            config.data,
            data=FLAGS.target,
            where=f"{FLAGS.view}={FLAGS.frontal:g}",
            limit=FLAGS.tuned,
        ),
        learning=dataclasses.replace(
            learning,
            epochs=FLAGS.tuning_epochs,
            step_size=str(last_value(learning.step_size)),
            sigma=str(last_value(learning.sigma)),
            learning_rate=FLAGS.tuning_rate,
            head_start=0.0,
            init_from=source,
            freeze="" if method in ("abp", "vae") else "geometry",
        ),
        record=dataclasses.replace(config.record, picture_epochs=FLAGS.tuning_epochs),
    )


def _train(config, folder):
    """dgn_tf.train as a process: exact resume, and its memory is free again afterwards.

    Raises:
        InputError: the training failed; it has said why.
    """
    arguments = flagfile(config.settings()).splitlines()[1:]
    done = subprocess.run(
        [sys.executable, "-m", "dgn_tf.train", *arguments, f"--run_dir={folder}"], check=False
    )
    finished = Run(folder) / "model.keras"
    if done.returncode or not finished.exists():
        raise InputError(
            f"the training in {folder} did not end well (exit status {done.returncode}): see "
            "above. The same command goes on from there."
        )


def _target(config):
    """The target data and the view of each example."""
    with progress_bar(f"Reading {FLAGS.target}") as report:
        target = catalog.load(
            FLAGS.target,
            config.data.side,
            config.data.channels,
            data_dir=config.data.data_dir or None,
            progress=report,
        )
    views = target.factors.get(FLAGS.view)
    if views is None or views.ndim != 1 or views.dtype.kind not in "biuf":
        raise InputError(
            f"--target={FLAGS.target} has no numeric label --view={FLAGS.view}; it has "
            f"{', '.join(target.factors) or 'no labels'}."
        )
    return target, views.astype(np.float64)


def _shown(views):
    """Places of the images to show: in turn from each view."""
    each = -(-_SHOWN // len(np.unique(views)))
    return np.concatenate([np.flatnonzero(views == v)[:each] for v in np.unique(views)])[:_SHOWN]


def _figure(test, views, shown):
    rows = {"data": test.images[_shown(views)], **shown}
    factor = whole_factor(test.side)
    headings = [f"{view:g}" for view in views[_shown(views)]]
    images = [as_images(row, factor) for row in rows.values()]
    sheet = lay_out(images, list(rows), headings)
    return Figure("reconstructions", "Unseen images by view, and what each method makes.", sheet)


def main_cli():
    """Entry point of the command."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
