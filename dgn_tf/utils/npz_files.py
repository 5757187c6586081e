"""Reading .npz files that may be damaged or malicious."""

import math
import zipfile
from typing import NamedTuple

import numpy as np

from dgn_tf.utils.errors import InputError, telling_closed
from dgn_tf.utils.files import user_path
from dgn_tf.utils.memory import free_memory
from dgn_tf.utils.reading import open_regular

_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    # Version 3 differs from 2 in the encoding of names of fields, which are not used.
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,
}


class Header(NamedTuple):
    """What the header of an array in an .npz file says."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """Size of the array in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


def npz_headers(path: str) -> dict[str, Header]:
    """The headers of the arrays of an .npz file by name; the arrays are not read.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    file = user_path(path)
    try:
        with telling_closed(), open_regular(file) as opened:
            is_archive = zipfile.is_zipfile(opened)
    except FileNotFoundError:
        raise InputError(f"npz:{path}: there is no such file") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    if not is_archive:
        raise InputError(f"npz:{path}: is not an .npz file (numpy.savez writes one)")
    # A broken file makes readers raise nearly anything.
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            headers = {e.filename.removesuffix(".npy"): _header(archive, e) for e in entries}
            if len(headers) < len(entries):
                raise ValueError("two arrays have the same name")
    except Exception as error:
        raise _unreadable(path, error) from error
    return headers


def read_npz(path: str) -> dict[str, np.ndarray]:
    """Reads every array of an .npz file; refuses pickled objects and what memory cannot hold.

    Raises:
        InputError: also if the headers say that the arrays are larger than the free memory.
    """
    needed, free = sum(header.bytes for header in npz_headers(path).values()), free_memory()
    if needed > free:
        raise InputError(
            f"npz:{path}: its arrays are {needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB of "
            "memory are free: give a smaller file"
        )
    try:
        with np.load(user_path(path), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:
        raise _unreadable(path, error) from error


def _header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Header:
    with archive.open(entry) as file:
        read = _READERS[np.lib.format.read_magic(file)]
        shape, _, dtype = read(file)
        header, start = Header(shape, dtype), file.tell()
    if dtype.hasobject:
        raise ValueError(f"{entry.filename} holds objects, which need allow_pickle: give numbers")
    if min(shape, default=0) < 0 or start + header.bytes != entry.file_size:
        raise ValueError(f"{entry.filename} is not as long as {dtype} {list(shape)}")
    return header


def _unreadable(path: str, error: Exception) -> InputError:
    reason = str(error).strip() or type(error).__name__
    return InputError(f"npz:{path}: cannot be read: {reason.splitlines()[0][:300]}")
