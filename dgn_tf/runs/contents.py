"""What lies in a run's folder: what runs write there, told from what others have put there."""

import os
from collections.abc import Sequence
from pathlib import Path

from dgn_tf.config.evaluate import EVALUATION
from dgn_tf.inference.statistics import FILE as STATISTICS
from dgn_tf.runs.names import FILE as NAMES
from dgn_tf.runs.outputs import require_apart
from dgn_tf.runs.unrecorded import unrecorded_files
from dgn_tf.training.checkpoints import Checkpoints, checkpoint_files
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import LOCK, partial_path
from dgn_tf.utils.ownership import (
    CHECKPOINTS,
    LOGS,
    MEASURED,
    RECORD,
    REPORT,
    RUN,
    SHEETS,
    Ownership,
    files_under,
    remove_recorded,
    strangers_in,
)
from dgn_tf.visualize.directions import FILE as DIRECTIONS

MODEL, ENCODER = "model.keras", "encoder.keras"
CONFIG, FLAGS, DATA, EXAMPLES = "config.json", "flags.cfg", "data.json", "examples.npz"
SAMPLES, TENSORBOARD = "samples", "tensorboard"
_FILES = (
    CONFIG,
    FLAGS,
    DATA,
    EXAMPLES,
    "metrics.jsonl",
    MODEL,
    ENCODER,
    DIRECTIONS,
    STATISTICS,
    NAMES,
)
# Left where a process was killed while it wrote; all but the first are of version 0.1.
_PARTIAL = (
    *(partial_path(Path(name)).name for name in (*_FILES, RECORD)),
    *(f"{name}.partial" for name in _FILES),
    "partial.keras",
    "partial-encoder.keras",
)


def record_run(folder: Path) -> None:
    """Record what a run writes into its folder, and what one has written without a record."""
    owned = Ownership(folder, RUN)
    before = [] if owned.recorded else [*_PARTIAL, *unrecorded_files(folder)]
    owned.add([*_FILES, *before])


def others_in(folder: Path, described: bool) -> list[str]:
    """Paths inside a folder without settings of the files that no run has written.

    Args:
        folder: the folder.
        described: whether it holds the description of a run's data. What is left of a run is known
            by its record or, of versions that kept none, by this, which they wrote first.
    """
    known = {*_PARTIAL, LOCK, RECORD}
    if not (described or Ownership(folder, RUN).recorded):
        return [name for name in files_under(folder) if name not in known]
    own = checkpoint_files(folder / CHECKPOINTS)
    known |= {*_FILES, *unrecorded_files(folder), *(f"{CHECKPOINTS}/{name}" for name in own)}
    return [name for name in strangers_in(folder) if name not in known]


def require_removable(
    folder: Path, flag: str, settings: bool, sources: Sequence[str | os.PathLike]
) -> None:
    """Check that what is in a folder is a run, and nothing that is read.

    Args:
        folder: the folder, which is there.
        flag: the setting that names it, for messages.
        settings: whether it holds the settings of a run, which versions without a record wrote too.
        sources: paths of files and folders that are read.

    Raises:
        InputError: it is not.
    """
    occupied = any(path.name != LOCK for path in folder.iterdir())
    if occupied and not settings and not Ownership(folder, RUN).recorded:
        raise InputError(
            f"{flag} holds neither a {RECORD} of this program nor the settings of a run, so "
            "`fresh` removes nothing there: name another folder, or remove it yourself."
        )
    require_apart(folder, flag, sources)


def clear_run(folder: Path) -> list[str]:
    """Remove what a run has written into its folder, and nothing else.

    Returns:
        Paths inside the folder of the files that stay, since others have written them.
    """
    Checkpoints(folder / CHECKPOINTS).clear()
    for place, kind in (
        (folder / SAMPLES, SHEETS),
        (folder / TENSORBOARD, LOGS),
        *((report, REPORT) for report in sorted((folder / EVALUATION).glob("*"))),
        (folder / EVALUATION, MEASURED),
    ):
        if Ownership(place, kind).recorded:
            remove_recorded(place)
    remove_recorded(folder)
    record_run(folder)
    return [name for name in strangers_in(folder) if name != LOCK]
