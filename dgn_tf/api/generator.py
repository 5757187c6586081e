"""Generators as Keras models: trained, asked and saved by Python programs."""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dgn_tf.api import asking, driving, exporting, fitting, keras_files
from dgn_tf.api.directions import DirectionTable
from dgn_tf.api.exploring import Explorer, explore
from dgn_tf.api.images import Images
from dgn_tf.api.latents import Latents
from dgn_tf.api.loading import Source, as_clips, as_images
from dgn_tf.api.settings import Langevin, changed, preset_config, require_kind, with_optimizer
from dgn_tf.api.summary import summary_of
from dgn_tf.cli.paths import model_name
from dgn_tf.config import Config, InferenceConfig
from dgn_tf.data.cropping.cutting import FaceCutter, face_cutter
from dgn_tf.data.examples import Examples
from dgn_tf.evaluation.report import Report
from dgn_tf.inference.encoder import EncoderInference, make_inference
from dgn_tf.inference.posterior import Inference
from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.models.factory import encoder_settings, make_model
from dgn_tf.runs.examples import run_examples
from dgn_tf.runs.trained import Trained
from dgn_tf.types import LatentModel, Tensor
from dgn_tf.types import Latents as LatentVectors
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.quiet import quiet_logs
from dgn_tf.visualize.clips import of_first_frames


@dataclasses.dataclass
class Known:
    """What a generator knows beside the weights of its networks.

    Attributes:
        statistics: of the latents of its training examples; None before it is trained, and where
            nothing is known of them.
        directions: the principal directions of these.
        folders: those that a labeled model numbers its classes by, or None.
        train: what it has learned from in this process, or None.
        trained: whether it has learned anything.
        name: for people.
        told: whether it was said how little it has learned.
    """

    statistics: LatentStatistics | None = None
    directions: DirectionTable | None = None
    folders: list[str] | None = None
    train: Examples | None = None
    trained: bool = False
    name: str = "model"
    told: bool = False


def _name_of(trained: Trained) -> str:
    run = trained.run
    return model_name(str(run.folder), None) if run else model_name(None, trained.path)


class Generator(keras.Model):
    """What generators of images and of clips share: a model, its encoder, and what it knows.

    Attributes:
        config: all settings.
        network: the networks, a `dgn_tf.types.LatentModel`.
        encoder: that guesses latents, or None.
        known: what else it knows.
    """

    clips = False

    def __init__(self, config: Config | None = None, encoder: Any = None, **settings: Any):
        super().__init__(name=settings.pop("name", None))
        config = changed(config or self._default(), settings)
        require_kind(config, self.clips, f"`model={config.model.model}`")
        data = config.data
        self.config = config
        self.network = make_model(config.model, data.side, data.channels, data.frames)
        self.encoder = encoder
        self.known = Known()
        self.built = True

    @classmethod
    def _default(cls) -> Config:
        if not cls.clips:
            return Config()
        return changed(Config(), {"model": "dynamic", "frames": 8})

    @classmethod
    def from_preset(cls, preset: str, **settings: Any) -> Any:
        """An untrained generator with the settings of a preset.

        Args:
            preset: one of the names that `dgn train --preset` takes, such as "faces64".
            settings: other values for some of them, such as side=32, epochs=200, or mirror=False
                for a preset that learns from mirror images too.

        Raises:
            InputError: there is no such preset or setting (the message says which are near), the
                preset is of another kind of model, or a value is out of its range.
        """
        return cls(preset_config(preset, cls.clips, settings))

    @classmethod
    def of(cls, trained: Trained) -> Any:
        """The generator of a run or an export."""
        model = cls(trained.config)
        model._adopt(trained)
        return model

    def _adopt(self, trained: Trained) -> None:
        """Take over what a training has ended with."""
        self.network.set_weights(trained.model.get_weights())
        encoder, before = trained.encoder(), self.encoder
        if encoder and before and encoder_settings(encoder) == encoder_settings(before):
            before.set_weights(encoder.get_weights())
        else:
            self.encoder = encoder
        directions = trained.directions
        self.known = dataclasses.replace(
            self.known,
            statistics=trained.statistics,
            directions=DirectionTable(directions) if directions else None,
            folders=trained.folders,
            trained=True,
            name=_name_of(trained),
            told=False,
        )
        self._inference.cache_clear()

    # Learning.

    def compile(
        self, optimizer: Any = None, langevin: Langevin | None = None, **settings: Any
    ) -> None:
        """Change how the model is trained; without it, it is as its preset says.

        Args:
            optimizer: of the networks, a Keras optimizer or its name. One of Keras keeps its own
                learning rate; a name takes `learning_rate` of the settings.
            langevin: how latents are inferred while it learns.
            settings: other settings of the training by name, such as head_start=0.1.

        Raises:
            InputError: there is no such setting, or a value out of its range.
        """
        fitting.require_no_losses(langevin, settings)
        if langevin is not None:
            chosen = {
                "langevin_steps": langevin.steps,
                "step_size": langevin.step_size,
                "sigma": langevin.sigma,
            }
            settings = chosen | settings
        fitting.require_training_settings(settings)
        config = changed(self.config, settings)
        self.config = config if optimizer is None else with_optimizer(config, optimizer)

    @quiet_logs()
    def fit(
        self,
        train: Source,
        epochs: int | None = None,
        validation_data: Source | None = None,
        run_dir: str | os.PathLike | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        *,
        batch_size: int | None = None,
        validation_freq: int | None = None,
        fresh: bool = False,
        verbose: str | int | bool = "auto",
    ) -> keras.callbacks.History:
        """Train the model as `dgn train` does.

        With the setting `mirror`, as of the presets for faces, it learns from the mirror image of
        every example too. How faces were cut out for these images (`Examples.faces`) becomes the
        setting `faces`, and photographs that the model is shown later are cut like that.

        A model that has been trained or loaded goes on from its weights. While it learns, signals
        that ask it to end (Ctrl-C) stop it after the step under way; the model is then as it was at
        that step. TensorFlow's operations are deterministic from here on in this process, and its
        random generators, and those of Python and NumPy, are seeded with the setting `seed`.

        Args:
            train: what it learns from, as of `dgn.load_images` or `dgn.load_clips`.
            epochs: passes over the data in all; as the preset says if not given.
            validation_data: held-out images or clips, whose error `val_msre` is measured, without
                mirror images: in 20 steps of inference from an encoder's guess, or 100 without one,
                so that it is a little higher than what `evaluate` finds in 100 or 300.
            run_dir: a folder for checkpoints, sample sheets and numbers, in which the same call
                goes on exactly where it was left; None keeps nothing.
            callbacks: of Keras, which see the networks as their model. Those that watch `val_msre`
                need mode="min".
            batch_size: examples in a step; as the preset says if not given.
            validation_freq: epochs between two measurements of `validation_data`; by default there
                are 20 in a run. Of many images 200 are measured.
            fresh: remove the run that is in `run_dir`, and start over.
            verbose: "auto" or 1 for a bar, or lines where nobody watches; 0 for nothing; 2 for
                lines.

        Returns:
            The numbers of every epoch of the run, also of those before this call.

        Raises:
            InputError: an argument cannot be used; the message names it.
            dgn_tf.training.loop.Diverged: numbers were not finite again and again.
            KeyboardInterrupt: it was stopped by Ctrl-C.
        """
        wanted = {"epochs": epochs, "batch_size": batch_size}
        given = {name: value for name, value in wanted.items() if value is not None}
        config = changed(self.config, given)
        examples = self._examples(train, "train")
        if examples.faces:
            config = changed(config, {"faces": examples.faces})
        held_out = (
            None if validation_data is None else self._examples(validation_data, "validation_data")
        )
        self.config = config
        with fitting.run_folder(run_dir) as folder:
            ended = fitting.fit(
                config,
                folder,
                examples,
                held_out,
                validation_freq,
                callbacks,
                self._weights() if self.known.trained else None,
                verbose,
                fresh,
            )
            self._adopt(ended.trained)
            self.network.set_weights(ended.weights)
            self.known.train = run_examples(config, examples).train
            self.known.name = Path(folder).name if run_dir else "model"
        fitting.raise_if_stopped(ended.stopped_by)
        return ended.history

    def _weights(self) -> fitting.Weights:
        encoder = self.encoder
        return fitting.Weights(
            self.network.get_weights(), None if encoder is None else encoder.get_weights()
        )

    # Asking.

    @quiet_logs()
    def infer(
        self,
        source: Source,
        align: str | None = "auto",
        *,
        steps: int | None = None,
        seed: int = 0,
        batch_size: int = 100,
    ) -> Latents:
        """The latents of images or clips that the model need not have seen.

        Args:
            source: as of `dgn.load_images` or `dgn.load_clips`.
            align: of images. "auto" finds faces in photographs and cuts them out as those that the
                model has learned from, if it knows how (`config.data.faces`); of an image without
                a face the middle is taken, which a warning tells. Images of exactly the model's
                side, crops of `dgn prepare`, `Examples`, .npz files and data sets by name stay as
                they are. "eyes" looks for a face in all images, as `dgn.load_images` does; None
                takes the middle.
            steps: Langevin steps; 100 from the guess of an encoder, 300 without one if not given.
            seed: of the starts.
            batch_size: how many are inferred at a time; of clips a frame counts as one.

        Returns:
            Latents with `error` and, where the training errors are known, `typical`.

        Raises:
            InputError: an argument cannot be used, the model is not trained, or the inference
                diverged.
        """
        self._require_trained("infer")
        faces = self._face_cutter(align)
        examples = self._examples(source, "source", faces)
        if faces:
            faces.tell()
        inference = self._inference(InferenceConfig(steps=steps, seed=seed))
        return asking.infer(self, inference, examples, batch_size)

    def edit(self, z: Latents, **steps: Any) -> Latents:
        """Latents after steps along principal directions.

        Args:
            z: some latents, which stay as they are.
            steps: DIRECTION=STEP of the geometry by name, with underscores for spaces, as in
                widen=2; or GROUP={number or name: STEP}, as in appearance={1: -1}. Steps are in
                standard deviations of the training latents; `directions` lists the names.

        Raises:
            InputError: there is no such direction; the message says which are near.
        """
        return asking.edit(self, z, steps)

    @quiet_logs()
    def paint(self, z: Latents) -> Images:
        """The images or clips of latents."""
        return asking.paint(self.network, z)

    @quiet_logs()
    def sample(self, count: int = 16, seed: int = 0, source: str = "training") -> Images:
        """New images or clips.

        Args:
            count: how many.
            seed: of the first; the others have the numbers that follow, as `dgn sample --seeds`.
            source: "training" draws latents as those of the training examples are spread, "prior"
                from N(0, I).

        Returns:
            The images, with their `latents`.

        Raises:
            InputError: an argument out of its range.
        """
        return asking.sample(self, count, seed, source)

    def predict(self, x: Source, batch_size: int = 100, *, align: str | None = "auto") -> Images:
        """The reconstructions of images or clips: `infer` and `paint`."""
        return self.paint(self.infer(x, align, batch_size=batch_size))

    @quiet_logs()
    def warp(self, source: Source, **steps: Any) -> Images:
        """An image of anything, at its own size, moved as an edit moves the mean geometry.

        Args:
            source: an image file, an image of Pillow, or an array [H, W, 3], uint8 or floats in
                [0, 1].
            steps: as of `edit`, of the geometry alone.

        Raises:
            InputError: the image or a step cannot be used, or the model has no geometry.
        """
        self._require_images("warp")
        return asking.warp(self, source, steps)

    @quiet_logs()
    def drive(
        self,
        face: Source,
        video: str | os.PathLike | np.ndarray,
        align: str | None = "auto",
        **motion: Any,
    ) -> Images:
        """A photograph that moves as a video moves: its appearance, the geometry of the frames.

        Args:
            face: one image, as of `dgn.load_images`.
            video: a video file or an animated GIF, or frames uint8 [T, H, W, 3].
            align: whether a face is found in both, as of `infer`; None takes the middle.
            motion: settings of `dgn drive`: relative=True for what has changed since the first
                frame, added to the geometry of the photograph; smooth, crop, steps, fps, limit.

        Returns:
            A clip, with the frames a second of the video (25 of an array).

        Raises:
            InputError: an argument cannot be used, or there is no face to align.
        """
        self._require_trained("drive")
        settings = driving.motion_settings(align, motion)
        faces = self._face_cutter(settings.align)
        driven = driving.drive(self, self._examples(face, "face", faces), video, settings, faces)
        if faces:
            faces.tell()
        return driven

    @property
    def directions(self) -> DirectionTable:
        """The principal directions of the latents, which edits follow: a table to look at.

        Of clips they are those of the first frames. `directions.rename(widen="wider")` gives other
        names.

        Raises:
            InputError: the model is not trained.
        """
        self._require_trained("directions")
        if self.known.directions is None:
            raise InputError("`directions`: nothing is known of this model's latents.")
        return self.known.directions

    @quiet_logs()
    def evaluate(
        self,
        held_out: Source,
        train: Source | None = None,
        seed: int = 0,
        *,
        align: str | None = "auto",
    ) -> Report:
        """Measure the model on images or clips that it has not learned from.

        Args:
            held_out: as of `dgn.load_images` or `dgn.load_clips`.
            train: what it has learned from, which baselines are fitted on; known where it was
                trained in this process, else the report has no baselines.
            seed: decides who is recombined with whom.
            align: of images, whether faces are cut out of photographs, as of `infer`.

        Returns:
            A report, with `numbers`, tables and figures, which a notebook shows and `save` keeps.

        Raises:
            InputError: an argument cannot be used, or the model is not trained.
        """
        self._require_trained("evaluate")
        faces = self._face_cutter(align)
        examples = self._examples(held_out, "held_out", faces)
        if faces:
            faces.tell()
        known = self.known.train if train is None else self._examples(train, "train")
        inference = self._inference(InferenceConfig())
        named = os.fspath(held_out) if isinstance(held_out, str | os.PathLike) else ""
        return asking.evaluate(self, inference, examples, known, seed, named)

    # Keeping.

    @quiet_logs()
    def save(self, filepath: str | os.PathLike, overwrite: bool = True, **options: Any) -> None:
        """Save everything, as Keras does: networks, encoder, settings, directions, statistics.

        Args:
            filepath: NAME.keras, or "hf://USER/NAME" for the Hugging Face Hub.
            overwrite: whether a file may be there; of files alone.
            options: of `keras.saving.save_model`.

        Raises:
            InputError: another kind of path, a file that is there, or the Hub cannot be reached or
                refuses.
        """
        exporting.save(self, filepath, overwrite, options)

    @quiet_logs()
    def export(self, path: str | os.PathLike, **options: Any) -> Path:
        """Write the model for servers, devices or the web; see `dgn_tf.api.exporting.export`.

        Args:
            path: NAME.tflite, or a folder for a SavedModel.
            options: part="generator", quantization="float32" of a .tflite file; format="web" makes
                a page of sliders in the folder.

        Returns:
            The file or folder that was written.

        Raises:
            InputError: an argument cannot be used, or what it needs is not installed.
        """
        self._require_trained("export")
        return exporting.export(self, path, **options)

    def explore(
        self, port: int | None = None, open_browser: bool = True, block: bool | None = None
    ) -> Explorer:
        """Open a page with sliders in the browser.

        Names that directions are given there are those of `directions`, and `save` keeps them.

        Args:
            port: to listen at; 0 for any that is free; None for 7860, or the next that is free.
            open_browser: whether to open it.
            block: whether to wait until Ctrl-C; None waits in scripts, not where a person types.

        Returns:
            The page, with its `address`; `close` ends it.

        Raises:
            InputError: the model makes clips, or is not trained.
        """
        self._require_trained("explore")
        self._require_images("explore")
        return explore(self, port, open_browser, block)

    # As a model of Keras.

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As of Keras, for a tensor of each group; what else people may mean has names.

        Raises:
            InputError: it is called with something else.
        """
        given = args[0] if args else kwargs.get("latents")
        if not isinstance(given, Mapping):
            raise InputError(
                "a model is called with a tensor for each group, as in model({'appearance': ...}): "
                "of Latents call `paint(z)`, of images `infer` or `predict`."
            )
        return super().__call__(*args, **kwargs)

    def call(self, latents: LatentVectors) -> Tensor:
        """Images or clips in [-1, 1] of a tensor [B, d] for each group."""
        return self.network(latents)

    def summary(self, *_args: Any, print_fn: Callable[[str], Any] = print, **_kwargs: Any) -> None:
        """Print the networks with their parameters; further arguments of Keras change nothing."""
        print_fn(summary_of(self))

    def get_config(self) -> dict[str, Any]:
        """What makes this model again, without weights and what it knows."""
        return keras_files.config_of(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Any:
        """The model of a `get_config`."""
        return keras_files.of_config(cls, config)

    def save_assets(self, folder: str) -> None:
        """Keep directions and statistics, where Keras saves what is no weight."""
        keras_files.write_assets(self, folder)

    def load_assets(self, folder: str | None) -> None:
        """Read what `save_assets` has kept."""
        keras_files.read_assets(self, folder)

    def still(self) -> LatentModel | None:
        """The model of single images: of clips that of a frame, if there is one."""
        found = of_first_frames(self.network, {})
        return None if found is None else found[0]

    def __repr__(self) -> str:
        data = self.config.data
        kind = f"clips of {data.frames} frames, " if self.clips else ""
        state = "trained" if self.known.trained else "not trained"
        dims = ", ".join(f"{name} {dim}" for name, dim in self.network.latent_dims.items())
        size = f"{data.side}x{data.side}x{data.channels}"
        return f"{type(self).__name__}({kind}{size}, {dims}; {state})"

    def _face_cutter(self, align: str | None) -> FaceCutter | None:
        """What cuts the faces out of photographs that the model is shown, if it looks for any."""
        if self.clips:
            if align not in ("auto", "none", None):
                raise InputError("`align` is for images, and this model takes clips.")
            return None
        data = self.config.data
        return face_cutter(align or "none", data.faces, data.side, data.channels)

    def _examples(self, source: Source, name: str, faces: FaceCutter | None = None) -> Examples:
        data = self.config.data
        try:
            if self.clips:
                return as_clips(source, data)
            return as_images(source, data.side, data.channels, faces)
        except InputError as error:
            raise InputError(str(error).replace("`source`", f"`{name}`", 1)) from None

    def _require_trained(self, what: str) -> None:
        if not self.known.trained:
            raise InputError(f"`{what}`: the model is not trained: call `fit` first, or load one.")

    def _require_images(self, what: str) -> None:
        if self.clips:
            raise InputError(f"`{what}` is for models of images, and this one makes clips.")

    @functools.cached_property
    def _inference(self) -> Any:
        @functools.lru_cache(maxsize=2)
        def inference(settings: InferenceConfig) -> EncoderInference | Inference:
            # Each compiles its steps anew.
            resolved = settings.resolved(self.config.learning, self.encoder is not None)
            return make_inference(self.network, resolved, self.encoder)

        return inference
