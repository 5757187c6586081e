"""Motion transfer: a photograph that is driven by a video."""

import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np

from dgn_tf.config import Config, InferenceConfig
from dgn_tf.config.drive import MotionSettings
from dgn_tf.data.cropping.cutting import FaceCutter
from dgn_tf.data.cropping.faces import NoFace
from dgn_tf.data.cropping.tracking import cut_squares, follow, steadied
from dgn_tf.data.examples import as_bytes, as_float
from dgn_tf.data.sources.film import Film, load_film, rate_of, read_frames
from dgn_tf.data.squares import square_array
from dgn_tf.inference.encoder import make_inference
from dgn_tf.inference.energy import reconstruction_errors
from dgn_tf.types import LatentArrays, LatentModel, has_geometry
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.driving import driven_latents

# Langevin steps for a frame, from an encoder's guess and without one.
_STEPS, _STEPS_FROM_ZERO = 20, 100
# Frames that are inferred at a time.
_BATCH = 100


class Driven(NamedTuple):
    """A photograph that moves.

    Attributes:
        images: uint8 [T, S, S, C].
        latents: [T, d] by group.
        error: the reconstruction error of the photograph, [1], a sum of squares on the [0, 1]
            scale.
        errors: those of the frames, [T].
        of_still: the latents of the photograph, [1, d] by group.
        of_frames: those of the frames, [T, d].
    """

    images: np.ndarray
    latents: LatentArrays
    error: np.ndarray
    errors: np.ndarray
    of_still: LatentArrays
    of_frames: LatentArrays


def require_drivable(config: Config, model: LatentModel) -> None:
    """Check that the images of a model can be driven.

    Raises:
        InputError: it makes clips, has no geometry, or is given labels.
    """
    if config.data.frames:
        raise InputError("`drive` is for models of images, and this one makes clips.")
    if not has_geometry(model):
        raise InputError("`drive`: the model has no geometry.")
    if model.given_groups:
        raise InputError("`drive`: the model is given the labels of images.")


def drive(
    model: LatentModel,
    config: Config,
    encoder: keras.Model | None,
    still: np.ndarray,
    frames: np.ndarray,
    motion: MotionSettings | None = None,
    inference: InferenceConfig | None = None,
) -> Driven:
    """Moves an image as a video moves.

    The latents of every frame are inferred, many frames at a time, from the encoder's guess by a
    few Langevin steps; those of the geometry are smoothed in time and painted with the appearance
    of the image, whose own latents take as many steps as those of any image.

    Args:
        model: a trained model with geometry, of images.
        config: the settings of its run.
        encoder: whose guess inference begins with, or None.
        still: the image, uint8 [S, S, C].
        frames: of the video, uint8 [T, S, S, C].
        motion: how the geometry of frames becomes that of the image; None for the defaults.
        inference: of the image and, but for the steps, of the frames; None for the defaults.

    Raises:
        InputError: the model cannot be driven, or the inference diverged.
    """
    require_drivable(config, model)
    motion, inference = motion or MotionSettings(), inference or InferenceConfig()
    resolved = inference.resolved(config.learning, encoder is not None)
    steps = motion.steps or (_STEPS if encoder is not None else _STEPS_FROM_ZERO)
    of_frame = dataclasses.replace(resolved, steps=steps, starts=1)
    z_still = _inferred(make_inference(model, resolved, encoder), still[None], "The photograph")
    z_frames = _inferred(make_inference(model, of_frame, encoder), frames, "Frames")
    latents = driven_latents(z_still, z_frames["geometry"], motion.smooth, motion.relative)
    images, _ = decode(model, latents)
    return Driven(
        as_bytes(images),
        latents,
        reconstruction_errors(model, still[None], z_still),
        reconstruction_errors(model, frames, z_frames),
        z_still,
        z_frames,
    )


def _inferred(inference: Any, images: np.ndarray, what: str) -> LatentArrays:
    """The latents of images uint8 [N, S, S, C]."""
    # Batches of one size, filled up with the last image: a graph is made for each size.
    count = len(images)
    size = -(-count // -(-count // _BATCH))
    rows = np.minimum(np.arange(-(-count // size) * size), count - 1)
    with progress_bar(f"{what}: Langevin steps") as report:
        z = inference(as_float(images[rows]), None, size, report)
    z = {name: values[:count] for name, values in z.items()}
    if not all(np.isfinite(values).all() for values in z.values()):
        raise InputError("the inference diverged: give a smaller `step_size`.")
    return z


def load_driver(
    path: str,
    side: int,
    channels: int,
    motion: MotionSettings,
    faces: FaceCutter | None = None,
) -> Film:
    """The frames of a video file, as `motion` wants them: center squares, or those of a face.

    Args:
        path: the video.
        side: of the squares, in pixels.
        channels: 1 or 3.
        motion: which frames are taken, and how a face is followed.
        faces: what finds the face, and remembers whether there is one; None takes the center.

    Raises:
        InputError: it cannot be read, it has a face in too few frames and `faces` refuses that, or
            a setting would be ignored.
    """
    seconds: list[float] = []
    ended: list[bool] = []

    def whole_frames(note: list[float]) -> Iterable[np.ndarray]:
        # Whole frames are too many to keep: they are read once to find faces, once to cut them.
        for second, frame in read_frames(path, 0, 3, motion.fps, motion.limit, bool(ended)):
            note.append(second)
            yield frame
        ended.append(True)

    squares = _face_squares(whole_frames(seconds), path, motion, faces)
    if squares is None:
        return load_film(path, side, channels, motion.fps, motion.limit, bool(ended))
    frames = np.stack(list(cut_squares(whole_frames([]), squares, side, channels)))
    return Film(frames, rate_of(seconds, motion.fps))


def squares_of_frames(
    frames: np.ndarray,
    side: int,
    channels: int,
    motion: MotionSettings,
    faces: FaceCutter | None = None,
) -> np.ndarray:
    """Frames of any size, uint8 [T, H, W, 3], as `load_driver` makes those of a file.

    Returns:
        uint8 [T, side, side, channels].

    Raises:
        InputError: as of `load_driver`.
    """
    squares = _face_squares(frames, "the video", motion, faces, len(frames))
    if squares is None:
        return np.stack([square_array(frame, side, channels) for frame in frames])
    return np.stack(list(cut_squares(frames, squares, side, channels)))


def _face_squares(
    frames: Iterable[np.ndarray],
    name: str,
    motion: MotionSettings,
    faces: FaceCutter | None,
    count: int | None = None,
) -> np.ndarray | None:
    """The squares [T, 4] around the face in whole frames; None where the center is taken.

    Args:
        frames: of the video, which are not asked for where no face is looked for.
        name: of the video, for what is told.
        motion: how the face is followed.
        faces: what finds it.
        count: of the frames, if it is known.
    """
    detect = None
    if faces is not None:
        frames = iter(frames)
        first = next(frames)
        frames = itertools.chain([first], frames)
        detect = faces.detector() if faces.looks_at(first.shape[1::-1]) else None
    if faces is None or detect is None:
        if motion.crop != "frame":
            raise InputError(
                f"`crop={motion.crop}` is for faces that are found, and none are looked for in "
                f"{name}: give `align=eyes` too."
            )
        return None
    with progress_bar("Finding faces") as report:
        try:
            squares = follow(frames, faces.crops, detect, lambda done: report(done, count or done))
        except NoFace as error:
            if faces.asked:
                raise
            faces.note(name, str(error))
            return None
    faces.note(name, "")
    return steadied(squares, motion.smooth, motion.crop == "clip")
