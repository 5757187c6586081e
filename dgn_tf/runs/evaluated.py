"""The run that a program measures: its model, its data and the inference of latents."""

import dataclasses
import functools

import numpy as np

from dgn_tf.config import InferenceConfig
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.labels import class_labels
from dgn_tf.data.sources import catalog
from dgn_tf.inference.encoder import make_inference
from dgn_tf.runs.directory import Run
from dgn_tf.runs.restoring import given_latents, load_encoder, load_run
from dgn_tf.types import has_geometry
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar

# Images, or frames of clips, whose latents are inferred at a time.
_FRAMES = 100


class EvaluatedRun:
    """The run that is measured, and how: what every experiment asks for.

    Args:
        run_dir: folder of the run.
        experiment: its name.
        steps: Langevin steps.
        starts: of each example.
        seed: of the starts.
        data_dir: folder of prepared TFDS data sets; None for the run's.
        amortized: start the inference from the guess of the run's encoder.

    Attributes:
        config, model: as `load_run` gives them.
        on_heads: whether it was trained on heads.
        origin: what made the report, filled as data are loaded.
    """

    def __init__(self, run_dir, experiment, *, steps, starts, seed, data_dir=None, amortised=False):
        self.run_dir, self._data_dir = run_dir, data_dir
        self.config, self.model = load_run(run_dir)
        kind = self.config.data.data.split(":")[0]
        self.on_heads = kind in ("heads", "heads_clips")
        self.held_out_heads = f"{kind}:test"
        self.inference = InferenceConfig(steps=steps, starts=starts, seed=seed, amortised=amortised)
        self.inference = self.inference.resolved(self.config.learning)
        self.settings = {
            name: getattr(self.inference, name)
            for name in ("steps", "starts", "seed", "step_size", "sigma")
        }
        self._encoder = load_encoder(run_dir) if amortised else None
        self.origin = {
            "experiment": experiment,
            "run": str(run_dir),
            "checkpoint": Run(run_dir).checkpoint,
            "inference": self.settings | {"amortised": amortised},
            "config": dataclasses.asdict(self.config),
        }

    def test(self, spec, limit, where=""):
        """The held-out images of --data; those of the run's heads if it is not given."""
        spec = spec or (self.held_out_heads if self.on_heads else "")
        if not spec:
            raise InputError(
                "--data is needed: images that the run was not trained on, for example folder:PATH."
            )
        return self.held_out("data", spec, limit, where)

    def held_out(self, flag, spec, limit, where=""):
        """Images named by a flag that the run was not trained on."""
        trained = self.config.data
        if overlap((spec, where), (trained.data, trained.where)):
            raise InputError(
                f"--{flag}={spec} is what the run was trained on: give held-out images."
            )
        examples = self.load(spec, limit, where)
        self.origin[flag] = {"data": spec, "examples": len(examples)}
        if where:
            self.origin[flag]["where"] = where
        return examples

    def train(self):
        """The images that the run was trained on."""
        return self.load(self.config.data.data, self.config.data.limit, self.config.data.where)

    def load(self, spec, limit, where=""):
        """`Examples` in the run's size and channels."""
        with progress_bar(f"Reading {spec}") as report:
            examples = catalog.load(
                spec,
                self.config.data.side,
                self.config.data.channels,
                limit=limit,
                data_dir=self._data_dir or self.config.data.data_dir or None,
                progress=report,
                where=where,
                frames=self.config.data.frames,
                stride=self.config.data.stride,
                fps=self.config.data.fps,
            )
        # Labels that are missing are missed now, not after the inference of other data.
        self._given(examples)
        return examples

    def _given(self, examples):
        return given_latents(self.config, examples, Run(self.run_dir).folders)

    def infer(self, examples: Examples) -> dict[str, np.ndarray]:
        """Latents [N, d] for each group, inferred without noise."""
        with progress_bar("Langevin steps") as report:
            return self._inference(
                as_float(examples.images),
                examples.ids,
                batch_size=max(1, _FRAMES // (examples.frames or 1)),
                progress=report,
                given=self._given(examples),
            )

    @functools.cached_property
    def _inference(self):
        # One for all data, since each compiles its steps anew.
        return make_inference(self.model, self.inference, self._encoder)

    def class_labels(self, examples):
        """Labels [N] that the classes which a model infers are compared with, or None."""
        if self.config.model.appearance != "categorical":
            return None
        return class_labels(examples, self.config.data.label)

    def require_geometry(self, experiment, flag="run_dir"):
        """Refuse a model, of the run that a flag names, that does not deform."""
        if not has_geometry(self.model):
            raise InputError(
                f"--experiment={experiment} needs a model with geometry, but --{flag}="
                f"{self.run_dir} holds --model={self.config.model.model}."
            )

    def require_same_data(self, rival):
        """Refuse the `EvaluatedRun` of --rival if it has learned from other data than this one."""
        ours, theirs = (
            dataclasses.asdict(run.config.data) | {"data_dir": ""} for run in (self, rival)
        )
        differing = [
            f"--{name}={theirs[name]} there, {value} here"
            for name, value in ours.items()
            if theirs[name] != value
        ]
        if differing:
            kind = "clips" if self.config.data.frames else "pictures"
            raise InputError(
                f"--rival={rival.run_dir} was learned from other {kind} than --run_dir "
                f"({'; '.join(differing)})."
            )


def overlap(one, other):
    """Whether two (data set, where) may share examples, as far as their names tell."""
    (spec, where), (other_spec, other_where) = one, other
    # Without a split, heads and TFDS sets give "train".
    same = spec.removesuffix(":train") == other_spec.removesuffix(":train")
    return same and (where == other_where or not where or not other_where)
