"""Measure a run, and write a report into its folder.

Usage: dgn evaluate --run_dir=runs/quickstart
       dgn evaluate --run_dir=runs/faces --data=others
"""

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import define_settings_flags, settings_from_flags
from dgn_tf.cli.paths import require_paths, require_run, require_writable, run_config
from dgn_tf.config import InferenceConfig, experiments
from dgn_tf.config.evaluate import EVALUATION, EvaluationData
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path

FLAGS = absl_flags.FLAGS

# The short help.
COMMON = {
    "What is measured": ("run_dir", "experiment"),
    "On which images": ("data", "limit", "where", "align"),
    "The inference": ("steps", "starts", "amortised", "seed"),
}


def define_flags() -> None:
    """Declare the flags of every experiment, and the settings of each."""
    summaries = [f"{name}: {experiments.find(name).SUMMARY}." for name in experiments.names()]
    absl_flags.DEFINE_string("run_dir", None, "Folder of the training run; needed.")
    names = ", ".join(experiments.names())
    about = f"What to measure: {names}. {' '.join(summaries)}"
    absl_flags.DEFINE_string("experiment", "held_out", about)
    define_settings_flags(EvaluationData)
    define_settings_flags(InferenceConfig, ("steps", "starts", "amortised", "seed"))
    define_settings_flags(experiments.all_settings())


def main(argv: list[str]) -> None:
    """Run the experiment, print its tables, write the report into the run's folder `evaluation`."""
    del argv
    require_run(FLAGS.run_dir)
    name = FLAGS.experiment
    described = experiments.find(name)
    for flag, owners in experiments.owners().items():
        if FLAGS[flag].present and name not in owners:
            raise InputError(
                f"--{flag} belongs to --experiment={' and '.join(owners)}, not to {name}."
            )
    data = settings_from_flags(EvaluationData, FLAGS)
    settings = settings_from_flags(described.Settings, FLAGS)
    inference = settings_from_flags(InferenceConfig, FLAGS)
    require_paths(settings)
    # What takes long to import comes once it is needed: NumPy here, TensorFlow below.
    from dgn_tf.data.measured import measured_on
    from dgn_tf.data.sources import require_data

    require_data(data)
    require_data(settings)
    config = run_config(FLAGS.run_dir)
    if not experiments.suits(name, config.data):
        held = "clips" if config.data.frames else "images"
        raise InputError(
            f"--experiment={name} is for {' and '.join(described.HOLDS)}, but "
            f"--run_dir={FLAGS.run_dir} holds a model of {held}: give "
            f"--experiment={' or '.join(experiments.suiting(config.data))}."
        )
    if not experiments.late_data(name):
        measured_on(config.data, data)
    folder = user_path(FLAGS.run_dir) / EVALUATION / name
    require_writable(f"the report, {folder},", folder)
    from dgn_tf.evaluation.experiments import find
    from dgn_tf.evaluation.report import check_folder, show, write_report
    from dgn_tf.runs.evaluated import EvaluatedRun

    check_folder(folder)
    subject = EvaluatedRun(FLAGS.run_dir, name, inference, data.data_dir)
    report = find(name).run(subject, data, settings)
    if subject.faces:
        print(f"{subject.faces}.")
    # The numbers first: what took the time is seen even where it cannot be written.
    show(report)
    write_report(folder, report, subject.origin)
    print(f"\nReport: {folder / 'report.html'}")


def main_cli() -> None:
    """The command dgn-evaluate."""
    define_flags()
    run_app(main, common=COMMON)


if __name__ == "__main__":
    main_cli()
