"""How smooth images are: what a generator paints too well to notice that it is not the kind."""

import numpy as np

# Differences of neighboring pixels on the [0, 1] scale, from a gray level to a sharp edge.
_LEVELS = (0.004, 0.01, 0.02, 0.05, 0.1, 0.2)
# Keeps the logarithm of a share of no pixels within bounds.
_LEAST = 1e-3


def texture(images: np.ndarray) -> np.ndarray:
    """What shares of the neighboring pixels of each image differ by more than six levels.

    A drawing is flat but for its edges, noise has no flat places, and a photograph lies between;
    their reconstruction errors and latents may well be alike.

    Args:
        images: uint8 [N, H, W, C], or clips [N, F, H, W, C], of which all frames count.

    Returns:
        Logarithms of the shares, float64 [N, 6].
    """
    # One after the other: thousands at a time would be large.
    return np.log(_LEAST + np.stack([_shares(image) for image in images]))


def _shares(image: np.ndarray) -> np.ndarray:
    gray = np.asarray(image, np.float32).mean(axis=-1) / 255.0
    steps = np.concatenate([np.abs(np.diff(gray, axis=axis)).ravel() for axis in (-2, -1)])
    return np.array([np.mean(steps > level) for level in _LEVELS])
