"""What a run notes of its data, so that they are known again wherever they are by then."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from dgn_tf.config import Config
from dgn_tf.data.examples import Examples
from dgn_tf.data.labels import class_folders
from dgn_tf.data.matching import Identity, identity
from dgn_tf.data.sources import source_of
from dgn_tf.types import LatentArrays
from dgn_tf.utils.checksums import verified, with_checksum
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import atomic_write, write_text
from dgn_tf.utils.reading import read_text


def describe(config: Config, examples: Examples, given: LatentArrays | None) -> dict[str, Any]:
    """What tells examples from others, however they are named.

    Args:
        config: the settings of the run.
        examples: the N training examples.
        given: one-hot labels [N, d] by group, of a labeled model.

    Returns:
        As of `read_note`.
    """
    described: dict[str, Any] = {
        "examples": len(examples),
        "fingerprint": examples.fingerprint(),
    }
    if given:
        labels = np.concatenate(list(given.values()), axis=1).argmax(axis=1)
        described["labels"] = hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()
        if source_of(config.data.data)[0].class_folders:
            described["folders"] = class_folders(examples)
    return described


def same_data(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two descriptions are of the same examples with the same labels."""
    names = ("examples", "fingerprint", "labels")
    return all(one.get(name) == other.get(name) for name in names)


def write_identity(path: Path, examples: Examples) -> None:
    """Keep what tells the examples of a run apart."""
    found = identity(examples)
    contents = {} if found.contents is None else {"contents": found.contents}
    with atomic_write(path) as partial:
        np.savez(partial, allow_pickle=False, ids=found.ids, **contents)


def read_identity(path: Path) -> Identity | None:
    """What `write_identity` has kept; None where it is damaged or an older version kept nothing."""
    try:
        with np.load(path, allow_pickle=False) as file:
            contents = file["contents"] if "contents" in file.files else None
            return Identity(file["ids"], contents)
    # A broken file makes NumPy raise nearly anything.
    except Exception:
        return None


def write_note(path: Path, described: dict[str, Any]) -> None:
    """Write a description with a checksum."""
    write_text(path, json.dumps(with_checksum(described)) + "\n")


def read_note(path: Path) -> dict[str, Any]:
    """The description that `write_note` has written.

    Returns:
        "examples", their number; "fingerprint" of ids and images; of a labeled run also
        "labels", a checksum, and perhaps "folders"; of a run that began with another's networks
        "begun_from", a checksum of these.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        described = verified(read_text(path))
        if not {"examples", "fingerprint"} <= described.keys():
            raise ValueError("it lacks what tells data apart")
    except (OSError, ValueError):
        raise InputError(
            f"{path} is missing or damaged. If the data are as they were, delete what is left "
            "of it and run the dgn_tf.train command again: it writes a new one."
        ) from None
    return described
