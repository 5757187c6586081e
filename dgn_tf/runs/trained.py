"""A trained model to use, from the run that made it or from an export of it."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from dgn_tf.cli.paths import check_source, version_folder
from dgn_tf.config import Config
from dgn_tf.inference.statistics import HARDLY_TRAINED, LatentStatistics
from dgn_tf.runs import names
from dgn_tf.runs.caller import print_line
from dgn_tf.runs.directory import DIRECTIONS, STATISTICS, Run
from dgn_tf.runs.restoring import find_encoder, load_chains, load_finished_run, load_run
from dgn_tf.serving import exported
from dgn_tf.types import LatentArrays, one_hot_groups
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.visualize.clips import of_first_frames
from dgn_tf.visualize.directions import Directions, principal_directions, read_directions


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained model and what goes with it.

    Attributes:
        flag: names it in messages, such as "`run_dir=runs/heads`".
        path: where it comes from.
        run: that it comes from, or None for an export.
        config: the settings of its run.
        model: the trained model.
        chains: latents of training examples [N, d] by group, or None where there are none.
        folders: those that a labeled model numbers its classes by, or None.
        stored: the file with its principal directions; it may be missing.
        stored_statistics: the file with its statistics; it may be missing.
        exported_encoder: the encoder of an export, or None.
    """

    flag: str
    path: str
    run: Run | None
    config: Config
    model: Any
    chains: LatentArrays | None
    folders: list[str] | None
    stored: Path
    stored_statistics: Path
    exported_encoder: keras.Model | None = None

    def encoder(self, wanted: bool | None = None) -> keras.Model | None:
        """The encoder whose guess inference begins with; `wanted` as of `find_encoder`.

        Raises:
            InputError: one is wanted and there is none, or it cannot be read.
        """
        if self.run:
            return find_encoder(self.run.folder, wanted)
        if wanted and self.exported_encoder is None:
            raise InputError(f"`amortised`: {self.flag} has no encoder.")
        return None if wanted is False else self.exported_encoder

    @functools.cached_property
    def directions(self) -> dict[str, Directions] | None:
        """The principal directions of each group that is not one-hot.

        They are those that were stored at the end of the training, with the names that people have
        given them since; of older runs and exports, and
        of a run that goes on, those of the chains. Of a model of clips they are those of the first
        frames. None where there are neither.

        Raises:
            InputError: the file with the stored ones, or with their names, is damaged.
        """
        still = of_first_frames(self.model, self.chains or {})
        if still is None:
            return None
        model, latents = still
        if self.stored.is_file():
            found = read_directions(self.stored, model.latent_dims)
        else:
            found = principal_directions(model, latents)
        return names.with_names(self._names_of(found), found) if found else None

    def keep_names(self, directions: Mapping[str, Directions]) -> None:
        """Keep the names of these directions: with the run, or among the user's own settings.

        Raises:
            InputError: the file cannot be written.
        """
        names.keep_names(self._names_of(directions), directions)

    def _names_of(self, directions: Mapping[str, Directions]) -> Path:
        return self.run / names.FILE if self.run else names.user_file(directions)

    @functools.cached_property
    def statistics(self) -> LatentStatistics | None:
        """The distribution of the training latents, and of the training errors.

        It is what was stored at the end of the training; of older runs and exports, and of a run
        that goes on, that of the chains, without errors. None where there are neither.

        Raises:
            InputError: the file with the stored ones is damaged, or of another model.
        """
        if self.stored_statistics.is_file():
            found = LatentStatistics.load(self.stored_statistics)
            dims = {name: len(mean) for name, mean in found.means.items()}
            if dims and dims != self.model.latent_dims:
                raise InputError(
                    f"{self.stored_statistics} is of another model: delete it, and what can be "
                    "known of the latents is computed anew."
                )
        else:
            one_hot = one_hot_groups(self.model)
            found = LatentStatistics.fit(self.chains or {}, one_hot=one_hot)
        return found if found.means else None

    def tell_training(self) -> None:
        """Say of a model that is hardly trained that it is."""
        if self.statistics is not None and self.statistics.hardly_trained:
            print_line(HARDLY_TRAINED)


def load_trained(run_dir: str | None, saved_model: str | None, finished: bool = False) -> Trained:
    """The model of a run, or of saved_models/NAME[/VERSION].

    Args:
        run_dir: folder of a run, or nothing.
        saved_model: folder of an export, or nothing.
        finished: whether a run must have come to its end.

    Raises:
        InputError: not one of the two is given, or it cannot be read.
    """
    check_source(run_dir, saved_model)
    if saved_model:
        found = exported.load(user_path(saved_model))
        version = version_folder(user_path(saved_model))
        return Trained(
            flag=f"`saved_model={saved_model}`",
            path=saved_model,
            run=None,
            config=found.config,
            model=found.model,
            chains=found.latents,
            folders=found.folders,
            stored=version / DIRECTIONS,
            stored_statistics=version / STATISTICS,
            exported_encoder=found.encoder,
        )
    run = Run(run_dir or "")
    config, model = (load_finished_run if finished else load_run)(run.folder)
    return Trained(
        flag=run.flag,
        path=str(run_dir),
        run=run,
        config=config,
        model=model,
        chains=load_chains(run.folder),
        folders=run.folders,
        stored=run / DIRECTIONS,
        stored_statistics=run / STATISTICS,
    )
