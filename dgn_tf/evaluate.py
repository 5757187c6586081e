"""Measure a run: python -m dgn_tf.evaluate --run_dir=runs/quickstart --experiment=held_out."""

import functools
import json
from typing import NamedTuple

import numpy as np
from absl import flags as absl_flags

from dgn_tf import flags, runs
from dgn_tf.config import InputError, last_value
from dgn_tf.data import catalog
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.landmarks import landmarks_of, read_landmarks
from dgn_tf.evaluation.basis import basis
from dgn_tf.evaluation.clips import clips
from dgn_tf.evaluation.held_out import held_out
from dgn_tf.evaluation.landmarks import landmarks
from dgn_tf.evaluation.report import Report, show, write_report
from dgn_tf.evaluation.views import balanced, view_labels
from dgn_tf.learning.inference import make_inference
from dgn_tf.visualize.decoding import has_geometry

FLAGS = absl_flags.FLAGS


def define_flags():
    """Declare the flags of this app."""
    absl_flags.DEFINE_string("run_dir", None, "Folder of the training run.", required=True)
    absl_flags.DEFINE_string(
        "experiment",
        "held_out",
        "held_out: reconstruction, recombination and what each group knows. basis: what single "
        "latents do, whether they follow the view, disentanglement, health of the field (E1). "
        "landmarks: how well fields tell landmarks (E5). clips: films taken apart (E6).",
    )
    absl_flags.DEFINE_string(
        "data",
        "",
        "Held-out pictures, in a form of --data of dgn_tf.train; for a run on heads, heads:test "
        "if not given.",
    )
    absl_flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets; else the run's.")
    absl_flags.DEFINE_integer(
        "limit", 500, "Use the first LIMIT held-out pictures; 0 for all.", lower_bound=0
    )
    absl_flags.DEFINE_integer("steps", 300, "Langevin steps, rounded up to tens.", lower_bound=1)
    absl_flags.DEFINE_integer(
        "starts", 4, "Starts for each picture; the best goes on alone.", lower_bound=1
    )
    absl_flags.DEFINE_integer(
        "seed", 0, "Seed of the starts and of the pairs to recombine.", 0, 2**31 - 1
    )
    absl_flags.DEFINE_string(
        "views",
        "",
        "basis: pictures with a label `view`, LIMIT of them in equal parts, in a form of --data; "
        "for a run on heads, heads:views if not given.",
    )
    absl_flags.DEFINE_string("where", "", "LABEL=VALUE: of --data, only what has this label.")
    absl_flags.DEFINE_string(
        "train_data",
        "",
        "landmarks: labelled pictures to fit the regressors on; the run's own if not given.",
    )
    absl_flags.DEFINE_string("train_where", "", "landmarks: LABEL=VALUE, of --train_data.")
    absl_flags.DEFINE_integer(
        "labelled", 1000, "landmarks: at most so many labelled pictures.", lower_bound=20
    )
    absl_flags.DEFINE_string(
        "landmarks",
        "",
        "landmarks: CSV file for data of folder:PATH, a row a picture: path, x1, y1, ..., x5, y5 "
        "in its pixels. Other data bring their own array `landmarks`.",
    )
    absl_flags.DEFINE_float(
        "gamma", 10.0, "basis: single latents run from -gamma to gamma.", lower_bound=0.1
    )


class Subject:
    """The run that is measured, and how: what every experiment asks for.

    Attributes:
        config, model: as `runs.load` gives them.
        on_heads: whether it was trained on heads.
        origin: what made the report, filled as data are loaded.
    """

    def __init__(self, experiment):
        self.config, self.model = runs.load(FLAGS.run_dir)
        kind = self.config.data.data.split(":")[0]
        self.on_heads = kind in ("heads", "heads_clips")
        self.held_out_heads = f"{kind}:test"
        self.settings = {
            "steps": FLAGS.steps,
            "starts": FLAGS.starts,
            "seed": FLAGS.seed,
            "step_size": last_value(self.config.learning.step_size),
            "sigma": last_value(self.config.learning.sigma),
        }
        self.origin = {
            "experiment": experiment,
            "run": str(FLAGS.run_dir),
            "inference": self.settings,
            "config": json.loads(self.config.to_json()),
        }

    def test(self):
        """The held-out pictures of --data."""
        spec = FLAGS.data or (self.held_out_heads if self.on_heads else "")
        if not spec:
            raise InputError(
                "--data is needed: pictures that the run was not trained on, for example "
                "folder:PATH."
            )
        return self.held_out("data", spec, FLAGS.limit, FLAGS.where)

    def held_out(self, flag, spec, limit, where=""):
        """Pictures named by a flag that the run was not trained on."""
        trained = self.config.data
        if _overlap((spec, where), (trained.data, trained.where)):
            raise InputError(
                f"--{flag}={spec} is what the run was trained on: give held-out pictures."
            )
        examples = self.load(spec, limit, where)
        self.origin[flag] = {"data": spec, "examples": len(examples)}
        if where:
            self.origin[flag]["where"] = where
        return examples

    def train(self):
        """The pictures that the run was trained on."""
        return self.load(self.config.data.data, self.config.data.limit, self.config.data.where)

    def load(self, spec, limit, where=""):
        """`Examples` in the run's size and channels."""
        with flags.progress(f"Reading {spec}") as report:
            return catalog.load(
                spec,
                self.config.data.side,
                self.config.data.channels,
                limit=limit,
                data_dir=FLAGS.data_dir or self.config.data.data_dir or None,
                progress=report,
                where=where,
                frames=self.config.data.frames,
                stride=self.config.data.stride,
                fps=self.config.data.fps,
            )

    def infer(self, examples: Examples) -> dict[str, np.ndarray]:
        """Latents [N, d] for each group, inferred without noise."""
        with flags.progress("Langevin steps") as report:
            return self._inference(as_float(examples.images), examples.ids, progress=report)

    @functools.cached_property
    def _inference(self):
        # One for all data, since each compiles its steps anew.
        return make_inference(self.model, **self.settings)

    def require_geometry(self, experiment):
        """Refuse a model that does not deform."""
        if not has_geometry(self.model):
            raise InputError(
                f"--experiment={experiment} needs a model with geometry, but --run_dir="
                f"{FLAGS.run_dir} holds --model={self.config.model.model}."
            )


def _held_out(subject: Subject) -> Report:
    test, train = subject.test(), subject.train()
    return held_out(subject.model, train, test, subject.infer(test), FLAGS.seed)


def _basis(subject: Subject) -> Report:
    subject.require_geometry("basis")
    test, views, labels = subject.test(), None, None
    spec = FLAGS.views or ("heads:views" if subject.on_heads else "")
    if spec:
        views = subject.held_out("views", spec, 0)
        labels = view_labels(views)
        if labels is None:
            raise InputError(
                f"--views={spec} has no label `view` of 2 to 50 different numbers; it has "
                f"{', '.join(views.factors) or 'no labels'}."
            )
        if FLAGS.limit:
            chosen = balanced(labels, -(-FLAGS.limit // len(np.unique(labels))))
            views, labels = views.subset(chosen), labels[chosen]
        subject.origin["views"]["examples"] = len(views)
    latents = subject.infer(test)
    seen = None if views is None else (subject.infer(views), labels)
    return basis(subject.model, test, latents, seen, gamma=FLAGS.gamma, seed=FLAGS.seed)


def _landmarks(subject: Subject) -> Report:
    subject.require_geometry("landmarks")
    data, tested = subject.config.data, FLAGS.data or subject.held_out_heads
    spec = FLAGS.train_data or data.data
    where = FLAGS.train_where or ("" if FLAGS.train_data else data.where)
    if FLAGS.landmarks and not any(s.startswith("folder:") for s in (spec, tested)):
        raise InputError(
            f"--landmarks={FLAGS.landmarks} belongs to pictures of folder:PATH; {spec} must bring "
            "an array `landmarks`."
        )
    if _overlap((spec, where), (tested, FLAGS.where)):
        raise InputError(
            f"--data={tested}: the regressors would be tested on pictures that they are fitted on; "
            "give others, or tell them apart by --where and --train_where."
        )
    # A table may leave pictures out: only then are more read than are needed.
    train = subject.load(spec, 0 if FLAGS.landmarks else FLAGS.labelled, where)
    train = _first_of(_with_points(train, spec), FLAGS.labelled)
    subject.origin["train_data"] = {"data": spec, "where": where, "examples": len(train[0])}
    test = _with_points(subject.test(), tested)
    inferred = [(examples, subject.infer(examples), points) for examples, points in (train, test)]
    return landmarks(subject.model, *inferred, seed=FLAGS.seed)


def _overlap(one, other):
    """Whether two (data set, where) may share examples, as far as their names tell."""
    (spec, where), (other_spec, other_where) = one, other
    # Without a split, heads and TFDS sets give "train".
    same = spec.removesuffix(":train") == other_spec.removesuffix(":train")
    return same and (where == other_where or not where or not other_where)


def _with_points(examples, spec):
    """The examples that have landmarks, and these."""
    if FLAGS.landmarks and spec.startswith("folder:"):
        kept, points = read_landmarks(FLAGS.landmarks, spec.removeprefix("folder:"), examples)
        return examples.subset(kept), points
    return examples, landmarks_of(examples, spec)


def _first_of(labelled, count):
    examples, points = labelled
    return examples.subset(np.arange(min(count, len(examples)))), points[:count]


def _clips(subject: Subject) -> Report:
    if subject.config.model.model != "dynamic":
        raise InputError(
            f"--experiment=clips needs --model=dynamic, but --run_dir={FLAGS.run_dir} holds "
            f"--model={subject.config.model.model}."
        )
    test, train = subject.test(), subject.train()
    return clips(subject.model, train, test, subject.infer(test), FLAGS.seed)


class _Experiment(NamedTuple):
    """`report(subject)` checks what it needs before it infers; `flags` are its alone."""

    report: callable
    flags: tuple[str, ...] = ()


EXPERIMENTS = {
    "held_out": _Experiment(_held_out),
    "basis": _Experiment(_basis, ("views", "gamma")),
    "landmarks": _Experiment(_landmarks, ("landmarks", "labelled", "train_data", "train_where")),
    "clips": _Experiment(_clips),
}


def main(argv):
    """Run the experiment, print its tables, write the report into the run's folder `evaluation`."""
    del argv
    name = FLAGS.experiment
    if name not in EXPERIMENTS:
        raise InputError(
            f"--experiment={name}: must be one of {', '.join(EXPERIMENTS)}. (The transfer table, "
            "E2, is a program of its own: dgn_tf.transfer.)"
        )
    for other, experiment in EXPERIMENTS.items():
        for flag in experiment.flags:
            if FLAGS[flag].present and flag not in EXPERIMENTS[name].flags:
                raise InputError(f"--{flag} belongs to --experiment={other}, not to {name}.")
    subject = Subject(name)
    if subject.config.model.model == "dynamic" and name != "clips":
        raise InputError(
            f"--experiment={name} is for pictures, but --run_dir={FLAGS.run_dir} holds a model of "
            "clips: give --experiment=clips."
        )
    report = EXPERIMENTS[name].report(subject)
    folder = runs.Run(FLAGS.run_dir) / "evaluation" / name
    write_report(folder, report, subject.origin)
    show(report)
    print(f"\nReport: {folder / 'report.html'}")


def main_cli():
    """Entry point of the command."""
    define_flags()
    flags.run(main)


if __name__ == "__main__":
    main_cli()
