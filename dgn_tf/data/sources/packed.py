"""The source `shards`: TFRecord files, read image by image, which may be larger than memory.

A packed folder holds

* data-00000-of-00002.tfrecord, ...: one `tf.train.Example` an example, with `image` (the bytes of
  uint8 [S, S, C] or [F, S, S, C]), `id` and `name`, in the order of the data set;
* index.npz: where the bytes of each image lie, their checksums, and ids, names and factors;
* index.json: shape, count, fingerprint, and the sizes and checksums of the other files.
"""

import dataclasses
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources.source import Source
from dgn_tf.utils.checksums import verified, with_checksum
from dgn_tf.utils.errors import InputError, telling_closed
from dgn_tf.utils.files import matching_paths
from dgn_tf.utils.npz_files import read_npz
from dgn_tf.utils.progress import Progress
from dgn_tf.utils.reading import read_regular

INDEX, _ARRAYS = "index.json", "index.npz"
# A TFRecord begins with the length of its data, eight bytes, and a checksum of it, four; another
# checksum of four bytes follows the data.
_BEFORE, _AFTER = 12, 4


class PackedImages:
    """Images or clips in files: stands in for their array, uint8 [N, ...].

    `images[index]` with an integer, a slice, integers or a boolean mask reads them from the files
    and compares their checksums; threads may read at the same time.

    Args:
        paths: of the files.
        file: int [N], which file holds an image.
        offset: int64 [N], where its bytes begin.
        checksum: uint32 [N], CRC-32 of its bytes.
        shape: of an image.

    Raises:
        InputError: a file cannot be opened; on reading, one has changed or cannot be read.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        file: np.ndarray,
        offset: np.ndarray,
        checksum: np.ndarray,
        shape: tuple[int, ...],
    ):
        self._paths = paths
        try:
            self._files = [open(path, "rb", buffering=0) for path in paths]
        except OSError as error:
            raise InputError(f"{error.filename} cannot be read: {error.strerror}") from None
        self._file, self._offset, self._checksum = file, offset, checksum
        self._shape = (len(offset), *shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of all axes, [N, ...]."""
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        """The type of a value."""
        return np.dtype(np.uint8)

    @property
    def ndim(self) -> int:
        """The number of axes, 4 for images and 5 for clips."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any, /) -> np.ndarray:
        rows = np.arange(len(self))[index]
        images = np.empty((rows.size, *self.shape[1:]), np.uint8)
        for image, row in zip(images, rows.reshape(-1), strict=True):
            self._read(image, row)
        return images.reshape(*rows.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def take(self, rows: np.ndarray) -> "PackedImages":
        """The images at `rows`, still in the files."""
        return PackedImages(
            self._paths,
            self._file[rows],
            self._offset[rows],
            self._checksum[rows],
            self.shape[1:],
        )

    def _read(self, image: np.ndarray, row: np.intp) -> None:
        number, path = self._file[row], self._paths[self._file[row]]
        try:
            count = os.preadv(self._files[number].fileno(), [image.data], int(self._offset[row]))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        if count != image.nbytes or zlib.crc32(image.data) != self._checksum[row]:
            raise InputError(
                f"{path} was changed or damaged after it was packed, at byte {self._offset[row]}: "
                "pack the data again."
            )


@dataclasses.dataclass(frozen=True, eq=False)
class PackedExamples(Examples):
    """`Examples` whose images stay in files.

    Attributes:
        packed: fingerprint that the whole data set was packed with; empty for a part of it.
    """

    images: PackedImages
    packed: str = ""

    def subset(self, indices: Sequence[int] | np.ndarray) -> "PackedExamples":
        """The examples at `indices`, in that order; the images stay in the files."""
        chosen = np.arange(len(self))[np.asarray(indices)]
        return PackedExamples(
            images=self.images.take(chosen),
            ids=self.ids[chosen],
            names=tuple(self.names[i] for i in chosen),
            factors={name: values[chosen] for name, values in self.factors.items()},
            faces=self.faces,
        )

    def content_keys(self) -> None:
        """Nothing: all files would have to be read."""
        return None

    def fingerprint(self) -> str:
        """What the data were packed with; of a part, what `Examples` says."""
        return self.packed or super().fingerprint()


def pack(examples: Examples, folder: Path, files: int, progress: Progress | None = None) -> None:
    """Writes examples into an empty folder.

    Args:
        examples: what to write.
        folder: an empty folder that is there.
        files: number of TFRecord files, of equal numbers of examples but for one.
        progress: called with (examples done, examples in all) now and then.

    Raises:
        InputError: there are fewer examples than files, or a factor is neither numbers nor text.
        tf.errors.OpError, OSError: a file cannot be written.
    """
    # Only what writes TFRecord files needs TensorFlow, which takes seconds to import.
    import tensorflow as tf

    count = len(examples)
    if not 1 <= files <= count:
        raise InputError(f"`shards={files}`: must be from 1 to the number of examples, {count}")
    for name, values in examples.factors.items():
        if values.dtype.hasobject:
            raise InputError(f"the factor {name!r} of the data is neither numbers nor text")
    offset, checksum = np.empty(count, np.int64), np.empty(count, np.uint32)
    bounds = np.arange(files + 1) * count // files
    paths = [folder / f"data-{k:05d}-of-{files:05d}.tfrecord" for k in range(files)]
    for path, first, end in zip(paths, bounds, bounds[1:], strict=False):
        with tf.io.TFRecordWriter(str(path)) as writer:
            for row, image, start, record in _records(examples, int(first), int(end)):
                writer.write(record)
                offset[row], checksum[row] = start, zlib.crc32(image)
                if progress and (row % 1000 == 999 or row + 1 == count):
                    progress(row + 1, count)
    names = [name.encode("utf-8", "surrogateescape") for name in examples.names]
    arrays = dict(
        source=np.repeat(np.arange(files, dtype=np.int32), np.diff(bounds)),
        offset=offset,
        checksum=checksum,
        ids=examples.ids,
        names=np.frombuffer(b"".join(names), np.uint8),
        name_ends=np.cumsum([len(name) for name in names]),
    )
    factors = {f"factor_{name}": values for name, values in examples.factors.items()}
    np.savez(folder / _ARRAYS, allow_pickle=False, **arrays, **factors)
    described = {
        "shape": list(examples.images.shape[1:]),
        "count": count,
        "fingerprint": examples.fingerprint(),
        "files": {path.name: path.stat().st_size for path in paths},
        "index": _checksum(folder / _ARRAYS),
    }
    (folder / INDEX).write_text(json.dumps(with_checksum(described), indent=2) + "\n")


def _records(examples: Examples, first: int, end: int) -> Iterator[tuple[int, bytes, int, bytes]]:
    """(row, bytes of the image, where they will lie in the file, record) of some examples."""
    import tensorflow as tf

    position = 0
    for row in range(first, end):
        image = examples.images[row].tobytes()
        name = examples.names[row].encode("utf-8", "surrogateescape")
        features = {
            "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
            "id": tf.train.Feature(int64_list=tf.train.Int64List(value=[examples.ids[row]])),
            "name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[name])),
        }
        record = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
        yield row, image, position + _BEFORE + record.index(image), record
        position += _BEFORE + len(record) + _AFTER


@telling_closed()
def load_packed(pattern: str, side: int, channels: int, frames: int = 0) -> PackedExamples:
    """Opens packed folders; no image is read.

    Args:
        pattern: a packed folder, or a pattern such as "packed/part-*" of several, which are taken
            one after another in the order of their names.
        side: that the images have.
        channels: that they have.
        frames: that clips have; 0 for images.

    Returns:
        The examples. Their fingerprint is that of the data that were packed into one folder.

    Raises:
        InputError: there is no such folder, one is damaged, or its images have another shape.
    """
    folders = matching_paths(pattern)
    if not folders:
        raise InputError(f"shards:{pattern}: there is no such folder")
    for path in folders:
        if not path.is_dir():
            raise InputError(f"shards:{pattern}: {path} is no folder: name the folders alone")
    shape = (*((frames,) if frames else ()), side, side, channels)
    paths, parts, fingerprints = [], [], []
    for folder in folders:
        described = _described(folder, shape)
        arrays = read_npz(str(folder / _ARRAYS))
        arrays["source"] = arrays["source"] + len(paths)
        paths += [folder / name for name in described["files"]]
        parts.append(arrays)
        fingerprints.append(described["fingerprint"])
    shared = set.intersection(*(set(arrays) for arrays in parts))
    whole = {name: np.concatenate([arrays[name] for arrays in parts]) for name in sorted(shared)}
    joined = hashlib.sha256("".join(fingerprints).encode()).hexdigest()
    return PackedExamples(
        images=PackedImages(paths, whole["source"], whole["offset"], whole["checksum"], shape),
        ids=whole["ids"],
        names=tuple(name for arrays in parts for name in _names(arrays)),
        factors={n[7:]: values for n, values in whole.items() if n.startswith("factor_")},
        packed=fingerprints[0] if len(folders) == 1 else joined,
    )


def _described(folder: Path, shape: tuple[int, ...]) -> dict:
    """What index.json says of a folder whose files are as it says."""
    path, hint = folder / INDEX, "pack the data again (python -m dgn_tf.pack)"
    try:
        described = verified(read_regular(path).decode())
        found, sizes, index = tuple(described["shape"]), described["files"], described["index"]
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise InputError(f"{path} cannot be read ({reason}): {hint}") from None
    for name, size in sizes.items():
        if Path(name).name != name:
            raise InputError(f"{path} names {name!r}, which is no file of that folder: {hint}")
        if not (folder / name).is_file() or (folder / name).stat().st_size != size:
            raise InputError(f"{folder / name} is missing or not {size} bytes long: {hint}")
    if not (folder / _ARRAYS).is_file() or _checksum(folder / _ARRAYS) != index:
        raise InputError(f"{folder / _ARRAYS} is missing or damaged: {hint}")
    if found != shape:
        clip = f" `frames={found[0]}`" if len(found) == 4 else ""
        raise InputError(
            f"shards:{folder} holds {'clips' if clip else 'images'} of another shape, "
            f"{list(found)}: give `side={found[-2]}` `channels={found[-1]}`{clip}, or pack the "
            "data again"
        )
    return described


def _checksum(path: Path) -> str:
    return f"{zlib.crc32(path.read_bytes()):08x}"


def _names(arrays: dict[str, np.ndarray]) -> Iterator[str]:
    text, start = arrays["names"].tobytes(), 0
    for end in arrays["name_ends"].tolist():
        yield text[start:end].decode("utf-8", "surrogateescape")
        start = end


def _load(data: DataConfig, rest: str, progress: Progress | None) -> PackedExamples:
    del progress
    packed = load_packed(rest, data.side, data.channels, data.frames)
    return packed.subset(np.arange(min(data.limit, len(packed)))) if data.limit else packed


def _is_packed(path: str) -> bool:
    return any((folder / INDEX).is_file() for folder in matching_paths(path))


SHARDS = Source(
    kind="shards",
    form="shards:PATTERN",
    example="shards:packed",
    load=_load,
    images=True,
    clips=True,
    refusal="was packed frame by frame: leave out `stride` and `fps`",
    claims=_is_packed,
    paths=matching_paths,
)
