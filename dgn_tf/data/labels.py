"""Labels: classes that are given (Fig. 13); who is in a clip and what they do (Table III)."""

import logging

import numpy as np

from dgn_tf.data.examples import Examples
from dgn_tf.data.label_values import described, label_of, number_label_of, with_one_missing
from dgn_tf.data.rows import match, named, read_table
from dgn_tf.data.sources import walking
from dgn_tf.data.sources.walking import composed
from dgn_tf.utils.errors import InputError

_log = logging.getLogger(__name__)

_NAMED = 10


def labels_of(examples: Examples, names: tuple[str, ...], spec: str) -> dict[str, np.ndarray]:
    """Labels that clips or images bring: one for each, or one for each frame and the same in all.

    Args:
        examples: N clips or images.
        names: of the labels.
        spec: what the clips were loaded from, for messages.

    Returns:
        [N] for each name.

    Raises:
        InputError: there is no such label, or it changes within a clip.
    """
    where_from = (
        "Clips of files need `labels=FILE.csv`."
        if examples.frames
        else "Images need arrays of theirs in npz:PATH."
    )
    found = {}
    for name in names:
        if name not in examples.factors:
            raise InputError(
                f"{spec}: {'clips' if examples.frames else 'images'} have no label {name!r}; they "
                f"have {described(examples, numbers=False)}. {where_from}"
            )
        try:
            found[name] = label_of(examples, name)
        except ValueError as error:
            raise InputError(f"{spec}: the label {name!r} {error}.") from None
    return found


def class_folders(examples: Examples) -> list[str]:
    """The outermost folders of images in folders, in their order: the label 0, 1, ... of each."""
    return walking.class_folders(examples.names)


def one_hot(
    examples: Examples, name: str, classes: int, folders: list[str] | None = None
) -> np.ndarray:
    """Labels as one-hot vectors.

    Args:
        examples: N examples.
        name: of the label, whole numbers from 0.
        classes: how many there are.
        folders: the `class_folders` that the classes were numbered by at first: images are then
            labeled by the names of their folders.

    Returns:
        float32 [N, classes].

    Raises:
        InputError: there is no such label, it is not a whole number from 0 to classes - 1, or a
            folder is not of `folders`.
    """
    if folders:
        numbers = []
        for image in examples.names:
            number = walking.class_number(image, folders)
            if number is None:
                raise InputError(
                    f"`appearance=label`: {image.partition('/')[0]} is no class of this run, whose "
                    f"folders are {', '.join(folders)}."
                )
            numbers.append(number)
        return np.eye(classes, dtype=np.float32)[numbers]
    if name not in examples.factors:
        raise InputError(
            f"`appearance=label`: the data have no label {name!r} (`label`); they have "
            f"{described(examples)}. Images of folder:PATH have a label named label if they lie in "
            "a folder for each class."
        )
    try:
        values = number_label_of(examples, name)
    except ValueError as error:
        raise InputError(f"`appearance=label`: the label {name!r} of the data {error}.") from None
    if not np.isfinite(values).all():
        missing = np.count_nonzero(~np.isfinite(values))
        raise InputError(
            f"`appearance=label`: the label {name!r} must be a whole number from 0 to "
            f"{classes - 1}; that of {missing} of {len(values)} examples is NaN or infinite."
        )
    if not np.isin(values, np.arange(classes)).all():
        raise InputError(
            f"`appearance=label`: the label {name!r} must be a whole number from 0 to "
            f"{classes - 1} (`appearance_dim={classes}`); it runs from {values.min():g} to "
            f"{values.max():g}."
        )
    return np.eye(classes, dtype=np.float32)[values.astype(np.int64)]


def class_labels(examples: Examples, name: str) -> np.ndarray | None:
    """Labels that classes found without labels are compared with.

    Args:
        examples: N examples.
        name: of the label.

    Returns:
        [N], text or whole numbers; None if `name` is "label", the default, and the examples bring
        no labels.

    Raises:
        InputError: there is no such label, or it is not one value for each example.
    """
    if name not in examples.factors:
        if name == "label":
            return None
        raise InputError(
            f"`label={name}`: the data have no such label; they have "
            f"{described(examples, numbers=False)}."
        )
    try:
        values = label_of(examples, name)
        if values.dtype.kind == "f":
            if not (np.isfinite(values) & (values == np.rint(values))).all():
                raise ValueError("is neither text nor whole numbers")
            values = values.astype(np.int64)
    except ValueError as error:
        raise InputError(f"`label={name}`: the label of the data {error}.") from None
    return values


def read_labels(
    table: str, names: tuple[str, ...], examples: Examples
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels of clips from a CSV file.

    The file has a header with a column `clip`, the path of a video or folder of frames inside the
    folder of `data`, and a column for each label, text or numbers. All windows of a source get its
    labels. Clips without a row are left out, named in one warning.

    Args:
        table: path of the CSV file.
        names: of the columns to read.
        examples: clips as `dgn_tf.data.sources.clips.load_clips` gives them.

    Returns:
        Which clips have labels, rising indices int64 [M]; and the labels, text [M] for each name,
        in which "NaN" is "nan".

    Raises:
        InputError: the file is missing or broken, lacks a column, or names no clip.
    """
    rows = _read(table, names)
    sources = [name.rpartition("#")[0] for name in examples.names]
    try:
        found = match(dict.fromkeys(sources), rows)
    except InputError as error:
        raise InputError(f"`labels={table}`: {error}") from None
    kept = [index for index, source in enumerate(sources) if source in found]
    missing = sorted({source for source in sources if source not in found})
    if not kept:
        raise InputError(
            f"`labels={table}`: has no row for any of the {len(examples)} clips; the first is of "
            f"{sources[0]}, the first row of {next(iter(rows), 'none')}."
        )
    if missing:
        listing = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        _log.warning(
            "%s: %d sources have no row and are left out: %s", table, len(missing), listing
        )
    chosen = [rows[found[sources[index]]] for index in kept]
    columns = {name: with_one_missing(np.array([row[name] for row in chosen])) for name in names}
    return np.array(kept, np.int64), columns


def _read(table: str, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The rows of a table by clip."""
    header, rows = read_table(table, "labels")
    missing = [name for name in ("clip", *names) if name not in header]
    if missing:
        raise InputError(
            f"`labels={table}`: has no column {', '.join(missing)}; its header is "
            f"{','.join(header)}."
        )
    if len(set(header)) < len(header):
        raise InputError(f"`labels={table}`: two columns of {','.join(header)} have one name.")
    found: dict[str, dict[str, str]] = {}
    for line, cells in rows:
        # Blanks around a word, and how its accents are written, are seen by nobody.
        row = {title: composed(cell.strip()) for title, cell in zip(header, cells, strict=True)}
        clip = named(row["clip"])
        if not all((clip, *(row[name] for name in names))):
            raise InputError(f"`labels={table}`, line {line}: {clip} lacks a label.")
        if clip in found:
            raise InputError(f"`labels={table}`, line {line}: {clip} is there twice.")
        found[clip] = row
    return found
