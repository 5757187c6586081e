"""Motion transfer by a trained generator."""

import dataclasses
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dgn_tf.api.images import Images
from dgn_tf.api.settings import near
from dgn_tf.config.drive import MotionSettings
from dgn_tf.data.cropping.cutting import FaceCutter
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources.film import RATE, Film
from dgn_tf.evaluation import driving
from dgn_tf.utils.arrays import channels_hint, named_array
from dgn_tf.utils.errors import InputError

if TYPE_CHECKING:
    from dgn_tf.api.generator import Generator


def motion_settings(align: str | None, given: Mapping[str, Any]) -> MotionSettings:
    """The settings of a motion.

    Raises:
        InputError: one is none, or out of its range.
    """
    names = [field.name for field in dataclasses.fields(MotionSettings)]
    for name in given:
        if name not in names:
            raise InputError(f"`{name}`: there is no such setting{near(name, names)}")
    return MotionSettings(align="none" if align is None else align, **given)


def drive(
    model: "Generator",
    face: Examples,
    video: str | os.PathLike | np.ndarray,
    motion: MotionSettings,
    faces: FaceCutter | None,
) -> Images:
    """A photograph that moves; arguments and errors as of `Generator.drive`."""
    data = model.config.data
    driving.require_drivable(model.config, model.network)
    if len(face) != 1:
        raise InputError(f"`face` must be one image; there are {len(face)}.")
    if not isinstance(video, str | os.PathLike):
        video = named_array("`video`", video)
        if video.dtype != np.uint8 or video.ndim != 4 or video.shape[-1] != 3 or not video.size:
            raise InputError(
                "`video` must be a file, or frames uint8 [T, H, W, 3]; it is "
                f"{video.dtype} {list(video.shape)}.{channels_hint(video.shape)}"
            )
        if motion.fps:
            raise InputError(f"`fps={motion.fps:g}` is for files: an array states no time.")
        frames = video[: motion.limit or None]
        squares = driving.squares_of_frames(frames, data.side, data.channels, motion, faces)
        film = Film(squares, RATE)
    else:
        film = driving.load_driver(os.fspath(video), data.side, data.channels, motion, faces)
    driven = driving.drive(
        model.network, model.config, model.encoder, face.images[0], film.frames, motion
    )
    return Images(driven.images[None], face.names, rate=film.rate)
