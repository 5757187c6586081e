"""Measure a run on held-out pictures: python -m dgn_tf.evaluate --run_dir=runs/quickstart."""

import json

from absl import flags as absl_flags

from dgn_tf import flags, runs
from dgn_tf.config import InputError, parse_schedule
from dgn_tf.data import catalog, heads
from dgn_tf.data.examples import as_float
from dgn_tf.evaluation.held_out import factor_r2, recombination, reconstruction
from dgn_tf.learning.inference import Inference
from dgn_tf.visualize.decoding import has_geometry

FLAGS = absl_flags.FLAGS


def define_flags():
    """Declare the flags of this app."""
    absl_flags.DEFINE_string("run_dir", None, "Folder of the training run.", required=True)
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


def main(argv):
    """Infer held-out pictures without noise, print the numbers, write report.json into the run."""
    del argv
    config, model = runs.load(FLAGS.run_dir)
    on_heads = config.data.data.split(":")[0] == "heads"
    spec = FLAGS.data or ("heads:test" if on_heads else "")
    if not spec:
        raise InputError(
            "--data is needed: pictures that the run was not trained on, for example folder:PATH."
        )
    # Without a split, heads and TFDS sets give "train".
    if spec.removesuffix(":train") == config.data.data.removesuffix(":train"):
        raise InputError(f"--data={spec} is what the run was trained on: give held-out pictures.")
    train = _load(config, config.data.data, config.data.limit)
    test = _load(config, spec, FLAGS.limit)
    settings = {
        "steps": FLAGS.steps,
        "starts": FLAGS.starts,
        "seed": FLAGS.seed,
        "step_size": parse_schedule(config.learning.step_size)[-1][1],
        "sigma": parse_schedule(config.learning.sigma)[-1][1],
    }
    with flags.progress("Langevin steps") as report:
        latents = Inference(model, **settings)(as_float(test.images), test.ids, progress=report)
    numbers = {
        "run": str(FLAGS.run_dir),
        "data": spec,
        "examples": len(test),
        "inference": settings,
    }
    numbers["reconstruction"] = reconstruction(model, train, test, latents)
    if spec.split(":")[0] == "heads":
        factors = {name: test.factors[name] for name in (*heads.APPEARANCE, *heads.GEOMETRY)}
        numbers["r2"] = factor_r2(latents, factors)
        if has_geometry(model):
            numbers["recombination"] = recombination(model, test, latents, FLAGS.seed)
    flags.write_text(runs.Run(FLAGS.run_dir) / "report.json", json.dumps(numbers, indent=2) + "\n")
    show(numbers)


def _load(config, spec, limit):
    with flags.progress(f"Reading {spec}") as report:
        return catalog.load(
            spec,
            config.data.side,
            config.data.channels,
            limit=limit,
            data_dir=FLAGS.data_dir or config.data.data_dir or None,
            progress=report,
        )


def show(numbers):
    """Print the numbers as a table for people."""
    fit = numbers["reconstruction"]
    print(
        f"{numbers['examples']} held-out pictures of {numbers['data']}; "
        "errors are sums of squares per picture on [0, 1]"
    )
    print(f"  reconstruction error      {fit['msre']:8.2f}")
    if fit["msre_pca"] is not None:
        print(f"    of PCA, {fit['pca_components']:3} components {fit['msre_pca']:8.2f}")
    print(f"    of the mean image       {fit['msre_mean_image']:8.2f}")
    if "folded" in fit:
        print(f"  folded cells of the field {100 * fit['folded']:7.2f}%")
        print(f"  mean displacement         {fit['displacement']:8.2f} px")
    if "recombination" in numbers:
        swap = numbers["recombination"]
        ratio = swap["recombined"] / swap["not_recombined"]
        print(f"  recombination error       {swap['recombined']:8.2f}  ({ratio:.2f} of:)")
        print(f"    of not recombining      {swap['not_recombined']:8.2f}")
    if "r2" in numbers:
        groups = list(next(iter(numbers["r2"].values())))
        print(f"  {'R^2 of a factor from':26}" + "".join(f"{group:>12}" for group in groups))
        for name, values in numbers["r2"].items():
            print(f"    {name:24}" + "".join(f"{values[group]:12.2f}" for group in groups))


def main_cli():
    """Entry point of the command."""
    define_flags()
    flags.run(main)


if __name__ == "__main__":
    main_cli()
