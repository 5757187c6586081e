"""An image that moves as a video does: the geometry of the frames, the appearance of the image."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from dgn_tf.types import LatentArrays
from dgn_tf.visualize.images import as_images, whole_factor


def driven_latents(
    still: LatentArrays, motion: np.ndarray, smooth: float = 0.0, relative: bool = False
) -> LatentArrays:
    """The latents of an image in the geometry of each frame of a video.

    Args:
        still: of the image, [1, d] by group.
        motion: z_g of the frames, [T, d], in the order of time.
        smooth: standard deviation, in frames, of a Gaussian filter over time on `motion`; at both
            ends the outer frame goes on. 0 for none.
        relative: whether z_g is that of the image and what has changed since the first frame,
            instead of that of the frame.

    Returns:
        float32 [T, d] by group.
    """
    if smooth:
        motion = gaussian_filter1d(motion, smooth, axis=0, mode="nearest")
    if relative:
        motion = still["geometry"] + motion - motion[:1]
    found = {name: np.repeat(z, len(motion), 0) for name, z in still.items()}
    return found | {"geometry": motion.astype(np.float32)}


def driven_frames(images: np.ndarray, driver: np.ndarray | None = None) -> np.ndarray:
    """The frames of an animation, enlarged as elsewhere.

    Args:
        images: uint8 [T, S, S, C].
        driver: the frames of the video, of the same shape, to stand at their left; or None.

    Returns:
        uint8 [T, height, width, 3], height and width even.
    """
    shown = [images] if driver is None else [driver, images]
    factor = whole_factor(images.shape[1])
    return np.concatenate([as_images(each, factor) for each in shown], axis=2)
