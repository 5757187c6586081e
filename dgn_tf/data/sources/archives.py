"""The source `zip`: image files in a ZIP archive, read from it without being unpacked."""

import contextlib
import io
import logging
import threading
import zipfile
from collections.abc import Callable, Iterator

from dgn_tf.config import DataConfig
from dgn_tf.data.cropping.cutting import FaceCutter
from dgn_tf.data.decoding import FORMATS, File, first_line
from dgn_tf.data.examples import Examples
from dgn_tf.data.kinds import HEAD, kind_by_content, kind_by_suffix
from dgn_tf.data.sources.folders import read_all
from dgn_tf.data.sources.source import Source
from dgn_tf.data.sources.walking import is_hidden, left_out, natural_path, printable
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.progress import Progress
from dgn_tf.utils.reading import open_regular

_log = logging.getLogger(__name__)

# Larger than any image file that is read here; a member may say that it unpacks to anything.
MOST_BYTES = 1 << 28
_ENCRYPTED = 1
# Systems whose programs may write a backslash between folders: DOS, NTFS and VFAT.
_BACKSLASHED = (0, 10, 14)


def load_archive(
    data: DataConfig,
    rest: str,
    progress: Progress | None = None,
    faces: FaceCutter | None = None,
) -> Examples:
    """Reads every image in a ZIP archive, sorted by path (2 before 10).

    Files are chosen, read and told about as `folders.load_folder` says; ids and names are those of
    the same files in a folder.

    Args:
        data: side, channels and limit.
        rest: PATH, or PATH:FOLDER for what is in one of its folders alone, with paths from there.
        progress: called with (files done, files needed in all) now and then.
        faces: as of `folders.load_folder`.

    Raises:
        InputError: the archive cannot be read, is encrypted, names a file twice, or has no readable
            image.
    """
    name = f"zip {_path_and_folder(rest)[0]}"
    with _open(rest) as (files, find, empty):
        return read_all(
            name, files, find, data.side, data.channels, data.limit, progress, faces, empty
        )


@contextlib.contextmanager
def _finder(rest: str) -> Iterator[Callable[[str], File]]:
    """What finds the files of an archive by their paths."""
    with _open(rest) as (_, find, _):
        yield find


@contextlib.contextmanager
def _open(rest: str) -> Iterator[tuple[list[str], Callable[[str], File], list[str]]]:
    """The images of an archive in their order, what finds their content, and empty folders."""
    path, folder = _path_and_folder(rest)
    name = f"zip {path}"
    # Members are read in threads, one at a time; what takes time is the decoding.
    lock = threading.Lock()
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(open_regular(user_path(path)))
            archive = opened.enter_context(zipfile.ZipFile(file))
            members, empty = _members(name, archive, folder)
        except FileNotFoundError:
            raise InputError(f"{name}: there is no such file") from None
        except (InputError, PermissionError):
            raise
        except Exception as error:
            # A damaged archive makes readers raise nearly anything.
            reason = first_line(error)
            raise InputError(f"{name}: cannot be read as a ZIP archive: {reason}") from error

        def find(member: str) -> io.BytesIO:
            with lock:
                return io.BytesIO(_content(archive, members[member]))

        yield sorted(members, key=natural_path), find, empty


def _path_and_folder(rest: str) -> tuple[str, str]:
    """The parts of PATH or PATH:FOLDER; either may have colons in its name."""
    if user_path(rest).exists() or ":" not in rest:
        return rest, ""
    words = rest.split(":")
    ways = [(":".join(words[:k]), ":".join(words[k:])) for k in range(len(words) - 1, 0, -1)]
    path, folder = next((way for way in ways if user_path(way[0]).is_file()), ways[0])
    return path, "/".join(_parts(folder))


def _parts(path: str) -> list[str]:
    """The parts of a path in an archive. Nothing is written: it leads nowhere."""
    return [part for part in path.split("/") if part not in ("", ".", "..")]


def _members(
    name: str, archive: zipfile.ZipFile, folder: str
) -> tuple[dict[str, zipfile.ZipInfo], list[str]]:
    """The images of an archive by their path in `folder`, and outermost folders that are empty."""
    found: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    others: list[str] = []
    inside = f"{folder}/" if folder else ""
    for info in archive.infolist():
        written = info.filename
        if info.create_system in _BACKSLASHED and "/" not in written:
            written = written.replace("\\", "/")
        parts = _parts(written)
        path = "/".join(parts)
        if not parts or not path.startswith(inside):
            continue
        path = path.removeprefix(inside)
        if any(is_hidden(part) for part in path.split("/")):
            continue
        if written.endswith("/"):
            folders.add(path)
        elif _kind(archive, info) != "image":
            others.append(path)
        elif path in found:
            raise InputError(f"{name}: has two files {printable(path)}: pack it again")
        else:
            found[path] = info
    if not found:
        where = f" in its folder {folder}" if folder else ""
        holds = f": it holds {left_out(others)}" if others else ""
        raise InputError(f"{name}: holds no image file{where} ({FORMATS}){holds}")
    locked = [path for path, info in found.items() if info.flag_bits & _ENCRYPTED]
    if locked:
        raise InputError(
            f"{name}: {len(locked)} of its files are encrypted, the first is "
            f"{printable(locked[0])}: pack it without a password"
        )
    if others:
        _log.warning("%s: not images, and left out: %s", name, left_out(others))
    full = {path.partition("/")[0] for path in (*found, *others, *folders) if "/" in path}
    return found, [path for path in folders if "/" not in path and path not in full]


def _kind(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str | None:
    """Say "image" or "video", by the suffix or else the first bytes; None for others."""
    kind = kind_by_suffix(info.filename)
    if kind or info.flag_bits & _ENCRYPTED:
        return kind
    try:
        with archive.open(info) as file:
            return kind_by_content(info.filename, file.read(HEAD))
    except Exception:
        # A damaged member of no known suffix: counted with what is no image.
        return None


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > MOST_BYTES:
        raise ValueError(f"unpacks to {info.file_size / 1e6:,.0f} MB, more than an image has")
    return archive.read(info)


def _is_archive(path: str) -> bool:
    file = user_path(_path_and_folder(path)[0])
    return file.is_file() and (file.suffix.lower() == ".zip" or zipfile.is_zipfile(file))


ZIP = Source(
    kind="zip",
    form="zip:PATH[:FOLDER]",
    example="zip:faces.zip:train",
    load=load_archive,
    photographs=load_archive,
    images=True,
    claims=_is_archive,
    paths=lambda rest: [user_path(_path_and_folder(rest)[0])],
    part=lambda rest: _path_and_folder(rest)[1],
    class_folders=True,
    table="landmarks",
    files=_finder,
)
