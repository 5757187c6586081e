"""Images and their mirror images: each twin is an example of its own."""

from typing import Any

import numpy as np

from dgn_tf.data.examples import Examples, ImageArray, stable_id


class MirroredImages:
    """Images or clips [N, ...] followed by their mirror images: [2 N, ...], kept once in memory.

    Args:
        images: uint8 [N, S, S, C] or [N, F, S, S, C].
    """

    def __init__(self, images: ImageArray):
        self._images = images

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of all axes."""
        return (2 * len(self._images), *self._images.shape[1:])

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._images.ndim

    @property
    def dtype(self) -> np.dtype:
        """The type of a value."""
        return self._images.dtype

    def __len__(self) -> int:
        return 2 * len(self._images)

    def __getitem__(self, index: Any, /) -> np.ndarray:
        rows = np.arange(len(self))[index]
        if rows.ndim == 0:
            return self[rows[None]][0]
        found = np.array(self._images[rows % len(self._images)])
        mirrored = rows >= len(self._images)
        found[mirrored] = found[mirrored][..., ::-1, :]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


def with_mirrored(examples: Examples, label: str) -> Examples:
    """Examples, then their mirror images, whose ids follow from those of the originals.

    Args:
        examples: N images or clips.
        label: the one label that mirror images share with their originals. Others are left out:
            where a point lies, or where a face looks, is another in the mirror.

    Returns:
        2 N examples.
    """
    twins = [stable_id(f"mirror image of {number}".encode()) for number in examples.ids]
    factors = {label: examples.factors[label]} if label in examples.factors else {}
    return Examples(
        images=MirroredImages(examples.images),
        ids=np.concatenate([examples.ids, np.array(twins, np.int64)]),
        names=(*examples.names, *(f"{name} (mirrored)" for name in examples.names)),
        factors={name: np.concatenate([values, values]) for name, values in factors.items()},
        faces=examples.faces,
    )
