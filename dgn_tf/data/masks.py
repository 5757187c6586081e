"""Masks and black-and-white images that are kept as 0 and 1, where 255 stands for white."""

import logging

from dgn_tf.data.examples import ImageArray

_log = logging.getLogger(__name__)


def tell_masks(images: ImageArray, where: str) -> None:
    """Warn of images that nobody would see anything on: all of their bytes are 0 or 1.

    Args:
        images: uint8, of any shape, in memory.
        where: they are, for the message.
    """
    if images[:].max() == 1:
        _log.warning(
            "%s: no value of its images is above 1, and white is 255: they are taken as nearly "
            "black. If 1 stands for white, multiply by 255, or give an array of floats.",
            where,
        )
