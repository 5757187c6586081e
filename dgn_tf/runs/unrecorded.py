"""What versions that kept no record have written into a run, told by the names of single files.

It is for runs of before alone, which say by their config.json that they are runs.
"""

import re
from pathlib import Path

from dgn_tf.utils.ownership import files_under

# Figures of reports that any experiment has written.
_FIGURES = (
    "classes|comparison|confusions|direction_[0-9]+|directions_[a-z_]+|faces_[a-z_]+|generated|"
    r"landmarks|photograph_[0-9]+|recombination|reconstruction|reconstructions|samples|samples_\w+|"
    "shape|traversal_[a-z_]+|unit|units_[a-z_]+|views"
)
_WRITTEN = re.compile(
    r"samples/(epoch-[0-9]{6}|latest)/(sheet|traversal_[a-z_]+|classes|prior)\.png"
    r"|tensorboard/(train|validation)/events\.out\.tfevents\.[^/]+"
    r"|evaluation/transfer\.json"
    rf"|evaluation/[a-z_]+/(report\.json|report\.html|({_FIGURES})\.(png|gif))"
)


def unrecorded_files(folder: Path) -> list[str]:
    """Paths inside a run of the files below its folders that such a version has written.

    The checkpoints are not among them: `dgn_tf.training.checkpoints` knows its own files.
    """
    return [name for name in files_under(folder) if _WRITTEN.fullmatch(name)]
