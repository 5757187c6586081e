"""A data set: images or clips, ids, names and, where known, true factors."""

import dataclasses
import functools
import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from dgn_tf.config.fields import typed, whole_number
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.words import counted

_BLOCK = 1024


class ImageArray(Protocol):
    """What images are kept in: an array, or what stands in for one and reads them from files.

    Indexing by integers, a slice or a boolean mask gives an array.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of all axes."""
        ...

    @property
    def ndim(self) -> int:
        """The number of axes."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """The type of a value."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


def as_float(images: ImageArray) -> np.ndarray:
    """Maps stored bytes (uint8, any shape, 0..255) to model values (float32 in [-1, 1])."""
    return np.asarray(images, np.float32) / np.float32(127.5) - np.float32(1)


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Maps model values (float, any shape, [-1, 1]) to bytes (uint8), rounded and clipped."""
    scaled = (np.asarray(images, np.float32) + np.float32(1)) * np.float32(127.5)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def stable_id(name: bytes) -> int:
    """The first 63 bits of the SHA-256 of `name`: the same wherever the example is met."""
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") >> 1


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Examples:
    """A data set of N square images, or of N clips of F square frames each.

    Examples:
        >>> import numpy as np
        >>> import dgn_tf as dgn
        >>> faces = dgn.load_images(np.zeros([20, 40, 40, 3], np.uint8), side=32)
        >>> faces
        Examples(20 images, 32x32x3)
        >>> train, held_out = faces.split(0.1, seed=0)
        >>> len(train), held_out[:1]
        (18, Examples(1 image, 32x32x3))

    Attributes:
        images: uint8 [N, S, S, C] or, clips, [N, F, S, S, C], 0..255, C is 1 or 3: an array, or
            what reads it from files (`dgn_tf.data.sources.packed`).
        ids: int64 [N], unique and non-negative. An example's id depends on neither its position
            nor the other examples, so whatever is kept by id survives a change of the data set.
        names: N names for people: a relative path, a TFDS id or a row number.
        factors: name -> array [N, ...], the labels that came with the data; empty without labels.
        faces: how faces were cut out of photographs for these images, as the setting `faces` of
            data says it, such as "eyes:0.1"; empty where that is not known.

    Raises:
        InputError: the arrays do not fit together.
    """

    images: ImageArray
    ids: np.ndarray
    names: tuple[str, ...]
    factors: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    faces: str = ""

    def __post_init__(self) -> None:
        shape = self.images.shape
        if self.images.dtype != np.uint8 or len(shape) not in (4, 5):
            raise InputError(
                "images must be uint8 [N, S, S, C], clips uint8 [N, F, S, S, C]; "
                f"found {self.images.dtype} {list(shape)}"
            )
        if shape[-3] != shape[-2] or shape[-1] not in (1, 3):
            raise InputError(f"images must be square with 1 or 3 channels; found {list(shape)}")
        if self.frames == 0:
            raise InputError(f"clips need at least one frame; found {list(shape)}")
        count = shape[0]
        if count == 0:
            raise InputError("a data set needs at least one image")
        if self.ids.dtype != np.int64 or self.ids.shape != (count,):
            raise InputError(
                f"ids must be int64 [{count}]; found {self.ids.dtype} {list(self.ids.shape)}"
            )
        if self.ids.min() < 0 or np.unique(self.ids).size != count:
            raise InputError("ids must be unique and not negative")
        if len(self.names) != count:
            raise InputError(f"{count} images need as many names; found {len(self.names)}")
        for name, values in self.factors.items():
            if values.ndim < 1 or len(values) != count:
                raise InputError(
                    f"factor {name!r} must be [{count}, ...]; found {list(values.shape)}"
                )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: Any) -> "Examples":
        """Some of the examples, by whatever chooses among the rows of an array."""
        return self.subset(np.atleast_1d(np.arange(len(self))[key]))

    def __repr__(self) -> str:
        frames = self.frames
        kind = counted(len(self), "image" if frames is None else "clip")
        kind += "" if frames is None else f" of {counted(frames, 'frame')}"
        return f"Examples({kind}, {self.side}x{self.side}x{self.channels})"

    @property
    def side(self) -> int:
        """The side S of every image, in pixels."""
        return self.images.shape[-2]

    @property
    def channels(self) -> int:
        """The number of channels C, 1 or 3."""
        return self.images.shape[-1]

    @property
    def frames(self) -> int | None:
        """The number of frames F of every clip; None for images."""
        return self.images.shape[1] if self.images.ndim == 5 else None

    def subset(self, indices: Sequence[int] | np.ndarray) -> "Examples":
        """The examples at `indices` (integers, or a boolean mask [N]), in that order."""
        chosen = np.arange(len(self))[np.asarray(indices)]
        return Examples(
            images=self.images[chosen],
            ids=self.ids[chosen],
            names=tuple(self.names[i] for i in chosen),
            factors={name: values[chosen] for name, values in self.factors.items()},
            faces=self.faces,
        )

    def split(self, fraction: float, seed: int = 0) -> tuple["Examples", "Examples"]:
        """Two data sets: most of the examples, and a fraction that is held out.

        Args:
            fraction: of the examples that are held out, above 0 and below 1; at least one is, and
                one is not.
            seed: decides which, at least 0.

        Returns:
            (The others, those held out), each in the order of these.

        Raises:
            InputError: an argument out of its range, or a single example.
        """
        fraction = typed("fraction", fraction, float)
        if not 0 < fraction < 1:
            raise InputError(f"`fraction={fraction}`: must be above 0 and below 1.")
        seed = whole_number("seed", seed, 0)
        if len(self) < 2:
            raise InputError("`split` needs at least two examples.")
        count = min(max(round(fraction * len(self)), 1), len(self) - 1)
        held = np.zeros(len(self), bool)
        held[np.random.default_rng(seed).permutation(len(self))[:count]] = True
        return self.subset(~held), self.subset(held)

    def stills(self, moving: Collection[str] | None = None) -> "Examples":
        """The frames of clips as single images, each with the factors of its clip or its own.

        An image is named "clip@frame".

        Args:
            moving: names of the factors [N, F, ...] that are the frames'; None for all that have
                such a shape.

        Raises:
            ValueError: these are images.
        """
        if self.frames is None:
            raise ValueError("images have no frames")
        frames = self.frames
        names = tuple(f"{name}@{frame}" for name in self.names for frame in range(frames))

        def of_frames(name: str, values: np.ndarray) -> np.ndarray:
            own = values.ndim > 1 and values.shape[1] == frames
            own = own and (moving is None or name in moving)
            return values.reshape(-1, *values.shape[2:]) if own else np.repeat(values, frames, 0)

        return Examples(
            images=self.images[:].reshape(-1, *self.images.shape[2:]),
            ids=np.array([stable_id(name.encode()) for name in names], np.int64),
            names=names,
            factors={name: of_frames(name, values) for name, values in self.factors.items()},
            faces=self.faces,
        )

    def mean_image(self) -> np.ndarray:
        """The mean image, of all frames for clips, float32 [S, S, C] in [-1, 1]."""
        axes = tuple(range(self.images.ndim - 3))
        total = np.zeros(self.images.shape[-3:])
        for block in self._blocks():
            total += block.sum(axis=axes, dtype=np.float64)
        mean = total / (len(self) * (self.frames or 1))
        return (mean / 127.5 - 1).astype(np.float32)

    def fingerprint(self) -> str:
        """The SHA-256, in hex, of shape, ids and pixels: equal only for equal data."""
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.ids, dtype="<i8").data)
        for block in self._blocks():
            digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()

    def content_keys(self) -> np.ndarray | None:
        """Hashes uint64 [N] of the pixels of each example; None where these stay in files."""
        images = (np.ascontiguousarray(image).data for block in self._blocks() for image in block)
        keys = (hashlib.blake2b(image, digest_size=8).digest() for image in images)
        return np.frombuffer(b"".join(keys), np.uint64)

    def _blocks(self) -> Iterator[np.ndarray]:
        """The images a few at a time: those of `PackedExamples` are read only then."""
        for first in range(0, len(self), _BLOCK):
            yield self.images[first : first + _BLOCK]
