"""Measure a run: python -m dgn_tf.evaluate --run_dir=runs/quickstart --experiment=held_out."""

from typing import NamedTuple

import numpy as np
from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.config import MAX_STARTS
from dgn_tf.data.labels import labels_of, read_labels
from dgn_tf.data.landmarks import landmarks_of, read_landmarks
from dgn_tf.data.sources.files import load_photographs
from dgn_tf.data.synthetic.heads_clips import EXPRESSIONS
from dgn_tf.evaluation.experiments.adversarial import OURS, RIVAL, adversarial
from dgn_tf.evaluation.experiments.basis import basis
from dgn_tf.evaluation.experiments.clips import clips
from dgn_tf.evaluation.experiments.expressions import check_labels, describe, expressions
from dgn_tf.evaluation.experiments.geometry import MOST_PHOTOGRAPHS, geometry
from dgn_tf.evaluation.experiments.held_out import held_out
from dgn_tf.evaluation.experiments.landmarks import landmarks
from dgn_tf.evaluation.metrics.face_features import load_face_features
from dgn_tf.evaluation.metrics.views import balanced, view_labels
from dgn_tf.evaluation.report import Report, show, write_report
from dgn_tf.runs.directory import Run
from dgn_tf.runs.evaluated import EvaluatedRun, overlap
from dgn_tf.runs.restoring import load_chains
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar

FLAGS = absl_flags.FLAGS


def define_flags():
    """Declare the flags of this app."""
    absl_flags.DEFINE_string("run_dir", None, "Folder of the training run.", required=True)
    absl_flags.DEFINE_string(
        "experiment",
        "held_out",
        "held_out: reconstruction, recombination and what each group knows. basis: what single "
        "latents do, whether they follow the view, disentanglement, health of the field (E1). "
        "adversarial: what a discriminator changes (E3). geometry: the learned field on sampled "
        "looks and on photographs (E4). landmarks: how well fields tell landmarks (E5). clips: "
        "videos taken apart (E6). expressions: how well their motion tells expressions (Table III).",
    )
    absl_flags.DEFINE_string(
        "data",
        "",
        "Held-out images, in a form of --data of dgn_tf.train; for a run on heads, heads:test "
        "if not given. expressions: any labeled clips; the run's own, with the latents that its "
        "learning has inferred, if not given. geometry: where directions come from; likewise.",
    )
    absl_flags.DEFINE_string("where", "", "LABEL=VALUE: of --data, only what has this label.")
    absl_flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets; else the run's.")
    absl_flags.DEFINE_integer(
        "limit",
        500,
        "Use the first LIMIT held-out images; 0 for all. expressions: all if not given.",
        lower_bound=0,
    )
    absl_flags.DEFINE_integer("steps", 300, "Langevin steps, rounded up to tens.", lower_bound=1)
    absl_flags.DEFINE_integer(
        "starts", 4, "Starts for each image; the best goes on alone.", 1, MAX_STARTS
    )
    absl_flags.DEFINE_bool(
        "amortised",
        False,
        "Begin with the guess of the run's encoder (dgn_tf.amortise): 20 steps and one start do.",
    )
    absl_flags.DEFINE_integer(
        "seed", 0, "Seed of the starts and of the pairs to recombine.", 0, 2**31 - 1
    )
    define_experiment_flags()


def define_experiment_flags():
    """Declare the flags that belong to one experiment alone, see `EXPERIMENTS`."""
    absl_flags.DEFINE_string(
        "views",
        "",
        "basis: images with a label `view`, LIMIT of them in equal parts, in a form of --data; "
        "for a run on heads, heads:views if not given.",
    )
    absl_flags.DEFINE_string(
        "train_data",
        "",
        "landmarks: labeled images to fit the regressors on; the run's own if not given.",
    )
    absl_flags.DEFINE_string("train_where", "", "landmarks: LABEL=VALUE, of --train_data.")
    absl_flags.DEFINE_integer(
        "labelled", 1000, "landmarks: at most so many labeled images.", lower_bound=20
    )
    absl_flags.DEFINE_string(
        "landmarks",
        "",
        "landmarks: CSV file for data of folder:PATH, a row an image: path, x1, y1, ..., x5, y5 "
        "in its pixels. Other data bring their own array `landmarks`.",
    )
    absl_flags.DEFINE_string(
        "rival",
        "",
        "A run on the same data to compare with. expressions: of --model=mocogan. adversarial: "
        "learned without --adversarial.",
    )
    absl_flags.DEFINE_string(
        "pictures",
        "",
        "geometry: an image file, or a folder of them, of anything, to move by the learned field.",
    )
    absl_flags.DEFINE_string(
        "labels",
        "",
        "expressions: CSV file for data of clips:PATH: a column `clip`, the path of a source in "
        "PATH, and the columns that --label and --person name.",
    )
    absl_flags.DEFINE_string("label", "expression", "expressions: the label to recognize.")
    absl_flags.DEFINE_string("person", "person", "expressions: the label that tells who it is.")
    absl_flags.DEFINE_float(
        "gamma", 10.0, "basis: single latents run from -gamma to gamma.", lower_bound=0.1
    )


def _subject(run_dir, experiment):
    return EvaluatedRun(
        run_dir,
        experiment,
        steps=FLAGS.steps,
        starts=FLAGS.starts,
        seed=FLAGS.seed,
        data_dir=FLAGS.data_dir,
        amortised=FLAGS.amortised,
    )


def _test(subject):
    """The held-out examples that the flags name."""
    return subject.test(FLAGS.data, FLAGS.limit, FLAGS.where)


def _require_model(subject, model, flag="run_dir"):
    if subject.config.model.model != model:
        raise InputError(
            f"--experiment={FLAGS.experiment} needs --model={model}, but --{flag}="
            f"{subject.run_dir} holds --model={subject.config.model.model}."
        )


def _held_out(subject: EvaluatedRun) -> Report:
    test, train = _test(subject), subject.train()
    labels = subject.class_labels(test)
    return held_out(subject.model, train, test, subject.infer(test), FLAGS.seed, labels)


def _basis(subject: EvaluatedRun) -> Report:
    subject.require_geometry("basis")
    if subject.config.model.appearance != "continuous":
        raise InputError("--experiment=basis is for models whose appearance is continuous.")
    test, views, labels = _test(subject), None, None
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


def _landmarks(subject: EvaluatedRun) -> Report:
    subject.require_geometry("landmarks")
    data, tested = subject.config.data, FLAGS.data or subject.held_out_heads
    spec = FLAGS.train_data or data.data
    where = FLAGS.train_where or ("" if FLAGS.train_data else data.where)
    if FLAGS.landmarks and not any(s.startswith("folder:") for s in (spec, tested)):
        raise InputError(
            f"--landmarks={FLAGS.landmarks} belongs to images of folder:PATH; {spec} must bring "
            "an array `landmarks`."
        )
    if overlap((spec, where), (tested, FLAGS.where)):
        raise InputError(
            f"--data={tested}: the regressors would be tested on images that they are fitted on; "
            "give others, or tell them apart by --where and --train_where."
        )
    # A table may leave images out: only then are more read than are needed.
    train = subject.load(spec, 0 if FLAGS.landmarks else FLAGS.labelled, where)
    train = _first_of(_with_points(train, spec), FLAGS.labelled)
    subject.origin["train_data"] = {"data": spec, "where": where, "examples": len(train[0])}
    test = _with_points(_test(subject), tested)
    inferred = [(examples, subject.infer(examples), points) for examples, points in (train, test)]
    return landmarks(subject.model, *inferred, seed=FLAGS.seed)


def _with_points(examples, spec):
    """The examples that have landmarks, and these."""
    if FLAGS.landmarks and spec.startswith("folder:"):
        kept, points = read_landmarks(FLAGS.landmarks, spec.removeprefix("folder:"), examples)
        return examples.subset(kept), points
    return examples, landmarks_of(examples, spec)


def _first_of(labelled, count):
    examples, points = labelled
    return examples.subset(np.arange(min(count, len(examples)))), points[:count]


def _adversarial(subject: EvaluatedRun) -> Report:
    subjects = {OURS: subject} | ({RIVAL: _rival(subject)} if FLAGS.rival else {})
    for name, each in subjects.items():
        flag, word = ("run_dir", "with") if name == OURS else ("rival", "without")
        each.require_geometry("adversarial", flag)
        if each.config.learning.adversarial != (name == OURS):
            raise InputError(
                f"--experiment=adversarial needs a --{flag} learned {word} --adversarial; "
                f"{each.run_dir} is not."
            )
    features = load_face_features()
    test, train = _test(subject), subject.train()
    models = {name: (each.model, each.infer(test)) for name, each in subjects.items()}
    return adversarial(models, train, test, features, FLAGS.seed)


def _geometry(subject: EvaluatedRun) -> Report:
    subject.require_geometry("geometry")
    photographs = load_photographs(FLAGS.pictures, MOST_PHOTOGRAPHS) if FLAGS.pictures else {}
    # Directions are those of what the learning has inferred, where it keeps that.
    latents = None if FLAGS.data else load_chains(subject.run_dir)
    if latents is None:
        latents = subject.infer(_test(subject))
    subject.origin["pictures"] = list(photographs)
    return geometry(subject.model, latents, photographs, FLAGS.seed)


def _clips(subject: EvaluatedRun) -> Report:
    _require_model(subject, "dynamic")
    test, train = _test(subject), subject.train()
    return clips(subject.model, train, test, subject.infer(test), FLAGS.seed)


def _expressions(subject: EvaluatedRun) -> Report:
    _require_model(subject, "dynamic")
    subjects = {"dynamic": subject}
    if FLAGS.rival:
        subjects["mocogan"] = _rival(subject)
        _require_model(subjects["mocogan"], "mocogan", "rival")
    clips, rows, labels, persons = _labelled_clips(subject)
    values, classes = np.unique(labels, return_inverse=True)
    check_labels(values, persons)
    names = [str(value) for value in values]
    if subject.origin["data"]["drawn"]:
        names = [EXPRESSIONS[value].name for value in values]
    models = {}
    for name, each in subjects.items():
        # What the learning has inferred already, as in the paper, is not inferred again.
        kept = None if FLAGS.data else load_chains(each.run_dir)
        z = each.infer(clips) if kept is None else {n: v[rows] for n, v in kept.items()}
        models[name] = (each.model, z)
    described = describe(models, clips)
    with progress_bar("Recognisers") as report:
        return expressions(*described, classes, persons, tuple(names), FLAGS.seed, report)


def _rival(subject):
    """The run of --rival, which must have learned from the same data."""
    rival = _subject(FLAGS.rival, FLAGS.experiment)
    subject.require_same_data(rival)
    subject.origin["rival"] = {"inference": rival.settings, "config": rival.origin["config"]}
    return rival


def _labelled_clips(subject):
    """The clips to recognize, their rows in the data, their labels and their persons."""
    if FLAGS.where and not FLAGS.data:
        raise InputError("--where chooses from --data: give it too.")
    spec, names = FLAGS.data or subject.config.data.data, (FLAGS.label, FLAGS.person)
    if FLAGS.labels and not spec.startswith("clips:"):
        raise InputError(f"--labels={FLAGS.labels} belongs to clips:PATH; {spec} brings its own.")
    clips = subject.load(spec, 0, FLAGS.where) if FLAGS.data else subject.train()
    rows = np.arange(len(clips))
    if FLAGS.labels:
        rows, found = read_labels(FLAGS.labels, names, clips)
    else:
        found = labels_of(clips, names, spec)
    count = FLAGS.limit if FLAGS.limit and FLAGS["limit"].present else len(rows)
    rows, (labels, persons) = rows[:count], (found[name][:count] for name in names)
    subject.origin["data"] = {
        "data": spec,
        "where": FLAGS.where,
        "examples": len(rows),
        "labels": FLAGS.labels,
        "label": FLAGS.label,
        "person": FLAGS.person,
        "drawn": spec.split(":")[0] == "heads_clips" and FLAGS.label == "expression",
    }
    return clips.subset(rows), rows, labels, persons


class _Experiment(NamedTuple):
    """`report(subject)` checks what it needs before it infers; `flags` are its alone."""

    report: callable
    flags: tuple[str, ...] = ()


EXPERIMENTS = {
    "held_out": _Experiment(_held_out),
    "basis": _Experiment(_basis, ("views", "gamma")),
    "adversarial": _Experiment(_adversarial, ("rival",)),
    "geometry": _Experiment(_geometry, ("pictures",)),
    "landmarks": _Experiment(_landmarks, ("landmarks", "labelled", "train_data", "train_where")),
    "clips": _Experiment(_clips),
    "expressions": _Experiment(_expressions, ("rival", "labels", "label", "person")),
}


_OF_CLIPS = ("clips", "expressions")


def main(argv):
    """Run the experiment, print its tables, write the report into the run's folder `evaluation`."""
    del argv
    name = FLAGS.experiment
    if name not in EXPERIMENTS:
        raise InputError(
            f"--experiment={name}: must be one of {', '.join(EXPERIMENTS)}. (The transfer table, "
            "E2, is a program of its own: dgn_tf.transfer.)"
        )
    for flag in {flag for experiment in EXPERIMENTS.values() for flag in experiment.flags}:
        if FLAGS[flag].present and flag not in EXPERIMENTS[name].flags:
            owners = [other for other, each in EXPERIMENTS.items() if flag in each.flags]
            raise InputError(
                f"--{flag} belongs to --experiment={' and '.join(owners)}, not to {name}."
            )
    subject = _subject(FLAGS.run_dir, name)
    if subject.config.data.frames and name not in _OF_CLIPS:
        raise InputError(
            f"--experiment={name} is for images, but --run_dir={FLAGS.run_dir} holds a model of "
            f"clips: give --experiment={' or '.join(_OF_CLIPS)}, and a run of --model=mocogan as "
            "--rival of the latter."
        )
    report = EXPERIMENTS[name].report(subject)
    folder = Run(FLAGS.run_dir) / "evaluation" / name
    write_report(folder, report, subject.origin)
    show(report)
    print(f"\nReport: {folder / 'report.html'}")


def main_cli():
    """Entry point of the command."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
