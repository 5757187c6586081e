"""Sample sheets while a model learns."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np

from dgn_tf.data.examples import Examples
from dgn_tf.types import ClipModel, LatentArrays, LatentModel, one_hot_groups
from dgn_tf.utils.files import atomic_write, user_path
from dgn_tf.utils.ownership import SHEETS, Ownership
from dgn_tf.utils.painted import marked
from dgn_tf.visualize.clips import clip_sheet, of_first_frames
from dgn_tf.visualize.directions import Directions, equal_directions, principal_directions
from dgn_tf.visualize.images import png_bytes
from dgn_tf.visualize.sheets import prior_sheet, sample_sheet
from dgn_tf.visualize.traversals import SHOWN, class_sheet, traversal_sheet

# Clips on the sample sheet, three rows each.
_CLIPS = 3


class SampleSheets(keras.callbacks.Callback):
    """Writes sample sheet, traversals and prior samples at some epochs and at the end of training.

    The images go to `folder`/epoch-000123/ and, as the newest, to `folder`/latest/: sheet.png,
    traversal_geometry.png (with a geometry group), traversal_appearance.png (or classes.png, Fig.
    13, where labels are given) and prior.png; of a model of clips without geometry sheet.png alone.
    Writing them changes nothing: not the model, the learner, or a random generator of the training.
    During the training they are drawn between two steps, and made into files, which takes longer,
    beside the steps that follow; at its end all files are there.

    Args:
        generator: the model being trained.
        latents: `latents(examples)` gives the latents [N, d] of each group, of all examples or of
            the first N of them; the traversals follow the principal directions of all of these.
        examples: the training examples.
        folder: where the images go.
        every_epochs: epochs between images.
        count: how many examples the sample sheet shows, the first ones.

    Attributes:
        publish: called with (name, epochs, (width, height), PNG file) for each sheet that is
            written; None at first.

    Raises:
        ValueError: `every_epochs` or `count` below 1.
    """

    def __init__(
        self,
        generator: LatentModel,
        latents: Callable[[Examples], LatentArrays],
        examples: Examples,
        folder: str | os.PathLike,
        every_epochs: int,
        count: int = 10,
    ):
        super().__init__()
        if every_epochs < 1 or count < 1:
            raise ValueError(f"every_epochs and count must be at least 1: {every_epochs}, {count}")
        self.generator = generator
        self.latents = latents
        self.examples = examples
        self.folder = user_path(folder)
        self.every_epochs = every_epochs
        self.count = min(count, len(examples))
        self.publish: Callable[[str, int, tuple[int, int], bytes], None] | None = None
        self._done = self._written = 0
        self._directions: Mapping[str, Directions] = {}
        self._saver = ThreadPoolExecutor(max_workers=1)
        self._saving: Future | None = None

    def on_epoch_end(self, epoch, logs=None):
        """Writes the sheets when `epoch` (from 0) ends a round of `every_epochs`."""
        self._done = epoch + 1
        if self._done % self.every_epochs == 0:
            self._wait()
            self._saving = self._saver.submit(self._save, self._done, self.sheets())
            self._written = self._done

    def on_train_end(self, logs=None):
        """Writes the sheets of the last epoch, unless they are there already."""
        self._wait()
        if self._done > self._written:
            self.write(self._done)

    def sheets(self, directions: Mapping[str, Directions] | None = None) -> dict[str, np.ndarray]:
        """The sheets as they are now.

        Args:
            directions: along which the traversals go, by group; None takes the principal
                directions of the latents as they are now.

        Returns:
            uint8 [height, width, 3] by name.
        """
        latents = self.latents(self.examples)
        shown = {name: z[: self.count] for name, z in latents.items()}
        count = len(next(iter(shown.values())))
        images, model = self.examples.images[:count], self.generator
        if isinstance(model, ClipModel):
            few = {name: z[:_CLIPS] for name, z in shown.items()}
            sheets = {"sheet": clip_sheet(model, images[:_CLIPS], few)}
        else:
            sheets = {"sheet": sample_sheet(model, images, shown)}
        still = of_first_frames(model, latents)
        if still is None:
            return sheets
        model, latents = still
        directions = self._directions = directions or principal_directions(model, latents)
        for group, of_group in directions.items():
            # One example's appearance: the mean image is blurred, and shows deformations badly.
            appearance = latents["appearance"][0] if group == "geometry" else None
            sheets[f"traversal_{group}"] = traversal_sheet(
                model, latents, group, of_group.leading(SHOWN), appearance=appearance
            )
        if one_hot_groups(model):
            sheets["classes"] = class_sheet(model, latents, directions["geometry"])
        sheets["prior"] = prior_sheet(model)
        return sheets

    def follow(self, directions: Mapping[str, Directions]) -> bool:
        """Whether the sheets have been written, along these very directions, if along any."""
        if not self._written:
            return False
        return not directions or equal_directions(directions, self._directions)

    def write(self, epochs: int, directions: Mapping[str, Directions] | None = None) -> None:
        """Writes the sheets as they are after `epochs` epochs; `directions` as of `sheets`."""
        self._save(epochs, self.sheets(directions))
        self._written = epochs

    def _wait(self) -> None:
        """Waits for the sheets that are being written; an error of theirs is raised here."""
        saving, self._saving = self._saving, None
        if saving:
            saving.result()

    def _save(self, epochs: int, sheets: Mapping[str, np.ndarray]) -> None:
        places = f"epoch-{epochs:06d}", "latest"
        files = {name: [f"{place}/{name}.png" for place in places] for name in sheets}
        Ownership(self.folder, SHEETS).add(file for both in files.values() for file in both)
        for name, image in sheets.items():
            # Quick to make and a fifth larger than it could be: a training waits for it at its end.
            png = marked(png_bytes(image, level=1), ".png")
            for file in files[name]:
                with atomic_write(self.folder / file) as partial:
                    partial.write_bytes(png)
            if self.publish:
                self.publish(name, epochs, (image.shape[1], image.shape[0]), png)
