"""Cutting squares for training out of every photograph, or every video, of a folder."""

import dataclasses
import functools
import json
import logging
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from dgn_tf.cli.app import as_flags
from dgn_tf.cli.paths import require_writable
from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping import crops, detection
from dgn_tf.data.cropping.clips import Unreadable, count_frames, cut_clip
from dgn_tf.data.cropping.detection import Detector, Face
from dgn_tf.data.cropping.faces import NoFace, choose_faces, cut_face
from dgn_tf.data.cropping.journal import Journal
from dgn_tf.data.cropping.names import crop_names, line_of
from dgn_tf.data.cropping.noted import SETTINGS
from dgn_tf.data.decoding import kind_and_line
from dgn_tf.data.sources.clips import check_sources
from dgn_tf.data.sources.folders import find_images, tell_ignored
from dgn_tf.data.sources.frames import Notes, Seen
from dgn_tf.data.sources.openers import Opener, find_sources, holds_videos
from dgn_tf.data.sources.walking import classes_of, printable
from dgn_tf.data.squares import square
from dgn_tf.utils.errors import DiskError, InputError
from dgn_tf.utils.files import LOCK, PARTIAL, user_path, write_text
from dgn_tf.utils.locks import lock_folder
from dgn_tf.utils.progress import Progress, progress_bar
from dgn_tf.utils.reading import read_regular

_log = logging.getLogger(__name__)

_MANIFEST = (
    "crop",
    "source",
    "left",
    "top",
    "width",
    "height",
    "confidence",
    "left_eye_x",
    "left_eye_y",
    "right_eye_x",
    "right_eye_y",
)
_MANIFEST_OF_CLIPS = ("crop", "source", "frames")
_SKIPPED = ("source", "reason")
_WITHOUT_CLIPS = {"clips": False, "follow": "frame", "smooth": 1.5, "fps": 0.0}
# Images that are read ahead: a dozen megapixels take 36 MB each.
_AHEAD = 8


class _Done(NamedTuple):
    """What became of an image or a clip.

    Attributes:
        file: its relative path.
        rows: of the manifest; empty if it is skipped.
        reason: why it is skipped.
        unreadable: whether it is skipped because nothing of it can be read.
        damage: what of it was ignored, or empty.
    """

    file: str
    rows: list[dict[str, str]]
    reason: str
    unreadable: bool
    damage: str


def prepare(
    source: str, dest: str, settings: CropSettings | None = None, detector: Detector | None = None
) -> dict[str, int]:
    """Cuts squares out of every image under a folder.

    Into `dest`: crops/ (the name of a crop is its image's relative path with "__" for "/", and
    "+2", "+3" ... for further faces, largest first), manifest.csv (a row for each crop: its
    image, the box, confidence and eyes in pixels of the upright image), skipped.csv and
    settings.json. Images that either list has are not looked at again; a warning tells of crops
    that were deleted.

    With `settings.clips` one face is followed through every video, animation or folder of frames,
    and its crops are a folder of frames (`clips.cut_clip`) with one row in the manifest, or several
    where frames are missing between them.

    Args:
        source: a folder of images, read as `folders.load_folder` does; of clips, or one video, as
            `clips.load_clips` does.
        dest: a folder that is new, empty, or begun with the same images and settings.
        settings: by default `CropSettings()`.
        detector: what finds faces, largest first; by default MTCNN. Not asked with `crop=centre`.

    Returns:
        "crops", "images" and "skipped" as they are in `dest` now; "known", how many images were
        done or skipped before. Clips count as images.

    Raises:
        InputError: a folder or setting cannot be used, another process fills `dest`, or the
            detector is not installed.
        DiskError: `dest` cannot be written, for example because the disk is full.
    """
    settings = settings or CropSettings()
    root, target = user_path(source).resolve(), user_path(dest).resolve()
    clips = _find_clips(source, settings.fps) if settings.clips else {}
    files = sorted(clips) or _find_images(root, source)
    _check_dest(root, target, dest, settings)
    if not settings.clips:
        _tell_classes(source, files)
    require_writable(dest, target)
    if settings.crop == "centre":
        detector = None
    elif detector is None:
        wanted = ("clips", "") if settings.clips else ("crop=faces", "crop=centre")
        detector = detection.load_detector(settings.min_face, settings.min_confidence, *wanted)
    with lock_folder(target, dest):
        # Another process may have begun it meanwhile.
        before = _check_dest(root, target, dest, settings)
        if before != printable(str(root)):
            _require_moved(files, target, dest, before, settings)
        try:
            return _fill(root, target, files, clips, settings, detector)
        except OSError as error:
            raise DiskError(
                f"{error.filename or dest} cannot be written ({error.strerror}): make room, then "
                "run the same command again, which goes on where it was."
            ) from error


def _find_images(root: Path, source: str) -> list[str]:
    """As `find_images`; the error says what to do with videos."""
    try:
        return find_images(root)
    except InputError as error:
        if root.exists() and holds_videos(source):
            raise InputError(f"{error}; for the faces of videos give `clips`.") from None
        raise


def _find_clips(source: str, fps: float) -> dict[str, tuple[Path, Opener]]:
    """Where each clip is and what opens it, by relative path; a folder of frames is its name."""
    folder, found = find_sources(source)
    own = folder.resolve().name
    names = {file: own if file == "." and own not in found else file for file in found}
    otherwise = "leave it out, or prepare videos by themselves"
    check_sources(source, {names[file]: found[file] for file in found}, fps, otherwise)
    return {names[file]: (folder / file, opener) for file, opener in found.items()}


def _tell_classes(source: str, files: Sequence[str]) -> None:
    """Warns that folders which are classes, as `folders.load_folder` has them, are not kept."""
    classes = classes_of(files)
    if classes:
        _log.warning(
            "%s: its images lie in %d folders, which training would take for classes; crops are in "
            "one folder and have no such label. To keep it, prepare each folder by itself, into "
            "CROPS/%s and so on, and train on CROPS.",
            source,
            len(classes),
            printable(classes[0]),
        )


def _fill(
    root: Path,
    target: Path,
    files: Sequence[str],
    clips: dict[str, tuple[Path, Opener]],
    settings: CropSettings,
    detector: Detector | None,
) -> dict[str, int]:
    """Makes the crops that are not there yet; returns the counts of `prepare`."""
    _begin(root, target, settings)
    manifest, skipped = _journals(target, settings)
    finished = _finished(manifest, skipped)
    names = crop_names(files, manifest.rows)
    todo = [file for file in files if line_of(file) not in finished]
    gone = [row["crop"] for row in manifest.rows if not _is_there(target, row)]
    if gone:
        _log.warning(
            "%s: %d crops in manifest.csv are no longer there (the first is %s) and are not made "
            "again: delete their rows to have them made.",
            target,
            len(gone),
            gone[0],
        )
    counts = {
        "crops": len(manifest.rows) - len(gone),
        "images": len({row["source"] for row in manifest.rows}),
        "skipped": len(skipped.rows),
        "known": len(finished),
    }
    names = {file: names[file] for file in todo}
    notes = Notes(printable(str(root)), settings.fps)
    if detector is not None and settings.clips:
        work = _clips(clips, target, names, settings, detector, notes)
    else:
        work = _photographs(root, target, names, settings, detector)
    damaged = []
    for done in work:
        if done.damage:
            damaged.append(f"{line_of(done.file)} ({done.damage})")
        if done.rows:
            manifest.append([{"source": line_of(done.file)} | row for row in done.rows])
            counts["crops"] += len(done.rows)
            counts["images"] += 1
        else:
            if done.unreadable:
                _log.warning("%s is skipped: %s", line_of(done.file), done.reason)
            skipped.append([{"source": line_of(done.file), "reason": done.reason}])
            counts["skipped"] += 1
    if not settings.clips:
        tell_ignored(printable(str(root)), damaged)
        return counts
    notes.tell()
    if damaged:
        _log.warning(
            "%s: frames are missing, before and after which are clips of their own (sources: %d; "
            "the first is %s)",
            printable(str(root)),
            len(damaged),
            damaged[0],
        )
    return counts


def _is_there(target: Path, row: dict[str, str]) -> bool:
    """Whether the crop of a row of the manifest is there, of a clip all of its frames."""
    crop = target / row["crop"]
    if not crop.is_dir():
        return crop.is_file()
    # Whoever edits the table may have put anything there.
    return row["frames"].isdecimal() and len(list(crop.iterdir())) >= int(row["frames"])


def _check_dest(root: Path, target: Path, dest: str, settings: CropSettings) -> str:
    """Refuses a folder that can neither be begun nor gone on with.

    Returns:
        Where the images were when it was begun, now for a new one.
    """
    if root.is_dir() and target.is_relative_to(root):
        raise InputError(f"{dest} is inside the folder of the images: name one outside of it.")
    if target.exists() and not target.is_dir():
        raise InputError(f"{dest} is a file: name a folder for the crops.")
    # What another process begins is seen before it has its name.
    if not target.is_dir() or all(
        path.name == LOCK or path.name.startswith(PARTIAL) for path in target.iterdir()
    ):
        return printable(str(root))
    try:
        # What was begun before clips could be cropped does not say that it has none.
        begun = _WITHOUT_CLIPS | json.loads(read_regular(target / SETTINGS))
        before = {key: begun[key] for key in ("source", *dataclasses.asdict(settings))}
    except FileNotFoundError:
        raise InputError(f"{dest} is not empty and holds no crops: name another folder.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{dest}/{SETTINGS} cannot be read: name another folder.") from None
    if before["source"] != printable(str(root)) and user_path(before["source"]).exists():
        raise InputError(_other_images(dest, before["source"]))
    for key, value in dataclasses.asdict(settings).items():
        if before[key] != value:
            raise InputError(
                f"{dest} was begun with `{key}={before[key]}`, not {value}: give that, or name "
                "another folder."
            )
    return before["source"]


def _require_moved(
    files: Sequence[str], target: Path, dest: str, before: str, settings: CropSettings
) -> None:
    """Refuses images that are not those of a folder that has gone, at another place.

    Args:
        files: the images there are now, by relative path.
        target: the folder of the crops, which is begun.
        dest: its name in messages.
        before: where the images were.
        settings: how they are cropped.
    """
    missing = _finished(*_journals(target, settings)) - {line_of(file) for file in files}
    if missing:
        raise InputError(f"{_other_images(dest, before)} Of those it lacks {min(missing)}.")
    _log.warning("%s: the images of %s have moved; going on with them.", dest, before)


def _other_images(dest: str, before: str) -> str:
    return f"{dest} was begun with the images of {before}: name another folder."


def _journals(target: Path, settings: CropSettings) -> tuple[Journal, Journal]:
    """What is cropped, and what is skipped."""
    columns = _MANIFEST_OF_CLIPS if settings.clips else _MANIFEST
    return Journal(target / "manifest.csv", columns), Journal(target / "skipped.csv", _SKIPPED)


def _finished(manifest: Journal, skipped: Journal) -> set[str]:
    return {row["source"] for row in manifest.rows + skipped.rows}


def _begin(root: Path, target: Path, settings: CropSettings) -> None:
    """Writes into the folder what it is begun with, which a later command is compared with."""
    begun = {"source": printable(str(root))} | dataclasses.asdict(settings)
    write_text(target / SETTINGS, json.dumps(begun, indent=2) + "\n")
    (target / "crops").mkdir(exist_ok=True)


def _photographs(
    root: Path,
    target: Path,
    names: dict[str, str],
    settings: CropSettings,
    detector: Detector | None,
) -> Iterator[_Done]:
    """Crops the images that `names` has names of crops for."""
    with progress_bar("Cropping") as report:
        for number, (file, image, ignored) in enumerate(_read(root, list(names)), 1):
            rows, reason = _crop(image, target, names[file], settings, detector)
            yield _Done(file, rows, reason, isinstance(image, str), ignored)
            report(number, len(names))


def _clips(
    clips: dict[str, tuple[Path, Opener]],
    target: Path,
    names: dict[str, str],
    settings: CropSettings,
    detector: Detector,
    notes: Notes,
) -> Iterator[_Done]:
    """Crops the clips that `names` has names of crops for."""
    searched = 0
    with progress_bar("Finding faces in frames") as report:
        for number, (file, name) in enumerate(names.items(), 1):
            source, opener = clips[file]
            seen = Seen()
            until = searched + count_frames(source, opener, settings.fps)
            # Of the clips to come nothing is known but how many there are.
            total = math.ceil(until * len(names) / number)
            tell = functools.partial(_tell_frames, report, searched, total)
            try:
                folder = target / "crops" / name
                made = cut_clip(source, opener, folder, settings, detector, seen, tell)
            except (NoFace, Unreadable) as error:
                reason = line_of(as_flags(str(error)))
                yield _Done(file, [], reason, isinstance(error, Unreadable), "")
            else:
                notes.add(line_of(file), seen)
                rows = [{"crop": f"crops/{at.name}", "frames": str(count)} for at, count in made]
                yield _Done(file, rows, "", False, line_of(seen.gaps[0]) if seen.gaps else "")
            searched = until
            report(searched, total)


def _tell_frames(report: Progress, before: int, total: int, count: int) -> None:
    report(before + count, total)


def _read(root: Path, files: Sequence[str]) -> Iterator[tuple[str, Image.Image | str, str]]:
    """Each file with its image, or why it cannot be read, and what metadata were ignored."""

    def read(file: str) -> tuple[str, Image.Image | str, str]:
        # A broken file makes decoders raise nearly anything: each is named, none ends the run.
        try:
            return file, *crops.read_upright(root / file)
        except Exception as error:
            text = f"cannot be read ({kind_and_line(error)})"
            return file, line_of(text), ""

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for first in range(0, len(files), _AHEAD):
            yield from pool.map(read, files[first : first + _AHEAD])


def _crop(
    image: Image.Image | str,
    target: Path,
    name: str,
    settings: CropSettings,
    detector: Detector | None,
) -> tuple[list[dict[str, str]], str]:
    """Writes the crops of one image; returns their rows, or none and the reason."""
    if isinstance(image, str):
        return [], image
    if detector is None:
        edge = min(image.size)
        crop = Image.fromarray(square(image, settings.side, 3))
        box = ((image.width - edge) // 2, (image.height - edge) // 2, edge, edge)
        found = [(crop, _numbers(("left", "top", "width", "height"), box))]
    else:
        faces, reason = choose_faces(detector(image), settings)
        if not faces:
            # A list that people read beside the command.
            return [], as_flags(reason)
        found = [(cut_face(image, face, settings), _face_row(face)) for face in faces]
    rows = []
    for number, (crop, row) in enumerate(found, 1):
        file = f"crops/{name}{f'+{number}' if number > 1 else ''}.{settings.format}"
        crops.save(crop, target / file)
        rows.append({"crop": file} | row)
    return rows, ""


def _face_row(face: Face) -> dict[str, str]:
    columns = (*_MANIFEST[2:6], *_MANIFEST[7:])
    values = _numbers(columns, [*face.box, *face.eyes[0], *face.eyes[1]])
    return values | {"confidence": f"{face.confidence:.4f}"}


def _numbers(columns: Sequence[str], values: Sequence[float]) -> dict[str, str]:
    return {column: f"{value:.1f}" for column, value in zip(columns, values, strict=True)}
