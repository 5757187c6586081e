"""The run that a program measures: its model, its data and the inference of latents."""

import dataclasses
import functools
import logging
from typing import Any

import numpy as np

from dgn_tf.config import Config, InferenceConfig
from dgn_tf.config.evaluate import EvaluationData
from dgn_tf.data.cropping.cutting import FaceCutter, face_cutter
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.labels import class_labels
from dgn_tf.data.measured import Measured, measured_on, not_trained_on
from dgn_tf.data.sources import load, other_data, source_of
from dgn_tf.data.sources.memory import MEMORY
from dgn_tf.inference.encoder import EncoderInference, make_inference
from dgn_tf.inference.posterior import Inference
from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.runs.data_note import same_data
from dgn_tf.runs.directory import STATISTICS, Run
from dgn_tf.runs.examples import missing_data, require_learned, run_examples
from dgn_tf.runs.restoring import find_encoder, given_latents, load_run
from dgn_tf.types import LatentArrays, has_geometry
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar

_log = logging.getLogger(__name__)

# Images, or frames of clips, whose latents are inferred at a time.
_FRAMES = 100


class EvaluatedRun:
    """The run that is measured, and how: what every experiment asks for.

    Args:
        run_dir: folder of the run.
        experiment: its name.
        inference: how latents are inferred; step size and sigma as the run's training ended with
            them if not given. Starts are the guesses of the run's encoder, if it has one.
        data_dir: folder of prepared TFDS data sets; empty for the run's.

    Attributes:
        config: the run's settings.
        model: its model with the weights of the newest checkpoint.
        inference: the given one, resolved.
        on_heads: whether it was trained on heads.
        held_out_heads: the test split of the kind of heads it was trained on, or empty.
        tested: what `test` has given; before that nothing.
        faces: what was done about faces in these, a sentence or empty.
        origin: what made the report, filled as data are loaded.

    Raises:
        InputError: there is no run in `run_dir`, it cannot be read, or it has no encoder to start
            from.
    """

    def __init__(
        self, run_dir: str, experiment: str, inference: InferenceConfig, data_dir: str = ""
    ) -> None:
        self.run_dir, self._data_dir, self._experiment = run_dir, data_dir, experiment
        self._wanted = inference
        self.tested, self.faces = Measured("", "", "image"), ""
        self.config, self.model = load_run(run_dir)
        source, _ = source_of(self.config.data.data)
        self.on_heads, self.held_out_heads = source.drawn, source.held_out
        self._encoder = find_encoder(run_dir, inference.amortised)
        self.inference = inference.resolved(self.config.learning, self._encoder is not None)
        names = ("steps", "starts", "amortised", "seed", "step_size", "sigma")
        self._settings = {name: getattr(self.inference, name) for name in names}
        self.origin: dict[str, Any] = {
            "experiment": experiment,
            "run": str(run_dir),
            "checkpoint": Run(run_dir).checkpoint,
            "inference": self._settings,
            "config": dataclasses.asdict(self.config),
        }

    def test(self, data: EvaluationData, cut: bool = True) -> Examples:
        """The examples to measure on, as of `measured_on`; `tested` says what they are.

        Args:
            data: what is given.
            cut: whether faces may be cut out of photographs, as `data.align` says.

        Raises:
            InputError: none are given and the run has none, or they cannot be used.
        """
        self.tested = measured_on(self.config.data, data)
        spec = self.tested.spec
        faces = self._face_cutter(data.align, cut)
        if not spec:
            if data.align == "eyes":
                raise InputError("`align` is for photographs: give them with `data`.")
            return self._validation(data)
        examples = self._read("data", spec, data.count(), data.where, faces)
        self.faces = faces.told() if faces else ""
        self.origin["data"] |= {"align": data.align, "faces": self.faces} if faces else {}
        return examples

    def _face_cutter(self, align: str, cut: bool) -> FaceCutter | None:
        """What cuts the faces out of photographs; None where none are looked for."""
        data = self.config.data
        if data.frames or not cut:
            self.refuse_align(align)
            return None
        return face_cutter(align, data.faces, data.side, data.channels)

    def refuse_align(self, align: str) -> None:
        """Refuse that faces are looked for in data which the experiment takes as they are.

        Raises:
            InputError: `align` asks for it.
        """
        if align == "eyes":
            raise InputError(
                f"`align=eyes`: `experiment={self._experiment}` takes its data as they are."
            )

    def _validation(self, data: EvaluationData) -> Examples:
        """The examples that the run has held out, as many as `data` wants."""
        require_learned(self.config, "give other images with `data`.")
        _, examples = run_examples(self._training_config())
        assert examples is not None
        if data.count():
            examples = examples.subset(range(min(data.count(), len(examples))))
        self._given(examples)
        self.origin["data"] = {"data": "held out", "examples": len(examples)}
        return examples

    def held_out(self, name: str, spec: str, limit: int, where: str = "") -> Examples:
        """Examples that the run was not trained on.

        Args:
            name: of the setting that gives them.
            spec: in a form of --data of dgn_tf.train.
            limit: how many, the first; 0 for all.
            where: LABEL=VALUE that they must have, or empty.

        Raises:
            InputError: the run was trained on them, or `load` refuses them.
        """
        spec = not_trained_on(self.config.data, name, spec, where)
        return self._read(name, spec, limit, where)

    def _read(
        self, name: str, spec: str, limit: int, where: str, faces: FaceCutter | None = None
    ) -> Examples:
        """Examples, which `origin` then tells of."""
        examples = self.load(spec, limit, where, faces)
        self.origin[name] = {"data": spec, "examples": len(examples)}
        if where:
            self.origin[name]["where"] = where
        return examples

    def train(self) -> Examples | None:
        """The examples that the run was trained on.

        None where a Python program has given them, or where they are no longer there, which a
        warning tells; another tells of data that have changed since.
        """
        if source_of(self.config.data.data)[0] is MEMORY:
            return None
        if missing := missing_data(self.config):
            _log.warning("%s: what needs it, such as baselines, is left out.", missing)
            return None
        examples, _ = run_examples(self._training_config())
        self._given(examples)
        if Run(self.run_dir).described()["fingerprint"] != examples.fingerprint():
            _log.warning(
                "%s has changed since the run learned from it: what is compared with it, such as "
                "baselines, is not what the run has seen.",
                self.config.data.data,
            )
        return examples

    @property
    def mean_image(self) -> np.ndarray | None:
        """The mean of what the run was trained on, as its statistics have it; None without."""
        path = Run(self.run_dir) / STATISTICS
        return LatentStatistics.load(path).mean_image if path.is_file() else None

    def _training_config(self) -> Config:
        data = self.config.data
        data = dataclasses.replace(data, data_dir=self._data_dir or data.data_dir)
        return dataclasses.replace(self.config, data=data)

    def load(
        self, spec: str, limit: int, where: str = "", faces: FaceCutter | None = None
    ) -> Examples:
        """`Examples` in the run's size and channels, with their faces cut out by `faces`.

        Raises:
            InputError: they cannot be read, or lack the labels that a labeled model is given.
        """
        data = other_data(self.config.data, spec, limit, where)
        data = dataclasses.replace(data, data_dir=self._data_dir or data.data_dir)
        with progress_bar(f"Reading {spec}") as report:
            examples = load(data, report, faces)
        # Labels that are missing are missed now, not after the inference of other data.
        self._given(examples)
        return examples

    def load_clips(self, spec: str, limit: int, where: str = "") -> Examples:
        """Clips whose frames have the run's size; a run on stills takes as many frames of each.

        Args:
            spec: the clips, in a form of --data of dgn_tf.train.
            limit: how many, the first; 0 for all.
            where: LABEL=VALUE that they must have, or empty.

        Raises:
            InputError: they cannot be read.
        """
        trained = self.config.data
        data = dataclasses.replace(
            trained,
            data=spec,
            limit=limit,
            where=where,
            frames=trained.frames or trained.stills,
            stills=0,
            data_dir=self._data_dir or trained.data_dir,
        )
        with progress_bar(f"Reading {spec}") as report:
            return load(data, report)

    def infer_frames(self, clips: Examples) -> LatentArrays:
        """Latents [N, F, d] of each frame of N clips as an image by itself, without noise."""
        latents = self.infer(clips.stills())
        return {name: z.reshape(len(clips), -1, z.shape[1]) for name, z in latents.items()}

    def _given(self, examples: Examples) -> LatentArrays:
        return given_latents(self.config, examples, Run(self.run_dir).folders)

    def infer(self, examples: Examples) -> LatentArrays:
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
    def _inference(self) -> Inference | EncoderInference:
        # One for all data, since each compiles its steps anew.
        return make_inference(self.model, self.inference, self._encoder)

    def class_labels(self, examples: Examples) -> np.ndarray | None:
        """Labels [N] that the classes which a model infers are compared with, or None."""
        if self.config.model.appearance != "categorical":
            return None
        return class_labels(examples, self.config.data.label)

    def require_model(self, model: str, name: str = "run_dir") -> None:
        """Refuse another kind of model than `model`; the setting `name` has given the run.

        Raises:
            InputError: the run holds another one.
        """
        if self.config.model.model != model:
            raise InputError(
                f"`experiment={self._experiment}` needs `model={model}`, {self._but(name)}."
            )

    def require_geometry(self, name: str = "run_dir") -> None:
        """Refuse a model that does not deform; the setting `name` has given the run.

        Raises:
            InputError: the model has no group "geometry".
        """
        if not has_geometry(self.model):
            raise InputError(
                f"`experiment={self._experiment}` needs a model with geometry, {self._but(name)}."
            )

    def _but(self, name: str) -> str:
        return f"but `{name}={self.run_dir}` holds `model={self.config.model.model}`"

    def rival(self, run_dir: str) -> "EvaluatedRun":
        """Another run to compare with, whose latents are inferred with the same settings.

        What they leave open each run decides: one with an encoder begins at its guess.

        Raises:
            InputError: it cannot be read, or has learned from other data than this one.
        """
        rival = EvaluatedRun(run_dir, self._experiment, self._wanted, self._data_dir)
        self._require_same_data(rival)
        self.origin["rival"] = {"inference": rival._settings, "config": rival.origin["config"]}
        return rival

    def _require_same_data(self, rival: "EvaluatedRun") -> None:
        ours, theirs = (Run(run.run_dir).described() for run in (self, rival))
        if same_data(ours, theirs):
            return
        clips = "clips" if self.config.data.frames else "images"
        here, there = self.config.data, rival.config.data
        differing = [
            f"{name}={getattr(there, name)} there, {getattr(here, name)} here"
            for name in (field.name for field in dataclasses.fields(here))
            if name != "data_dir" and getattr(here, name) != getattr(there, name)
        ]
        told = "; ".join(differing) or f"{theirs['examples']} there, {ours['examples']} here"
        raise InputError(
            f"`rival={rival.run_dir}` was learned from other {clips} than `run_dir` ({told})."
        )
