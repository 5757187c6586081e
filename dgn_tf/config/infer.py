"""What dgn_tf.infer is asked to do."""

import dataclasses
from collections.abc import Sequence

from dgn_tf.config.alignment import align_setting
from dgn_tf.config.edits import Edit, parse_edit
from dgn_tf.config.fields import Typed, require, require_choice, setting
from dgn_tf.utils.errors import InputError

# Of animations.
FORMATS = ("gif", "mp4")
_MOST_RECOMBINED = 64
_MOST_ON_BOARD = 64


def check_format(kind: str, setting: str = "animate") -> None:
    """Check that images of a kind, such as "gif" or "mp4", can be written here.

    Args:
        kind: of the images.
        setting: that asks for it, for the message.

    Raises:
        InputError: what writes MP4 is not installed.
    """
    if kind == "mp4":
        try:
            import av  # noqa: F401
        except ImportError:
            raise InputError(
                f'`{setting}`: MP4 needs PyAV: pip install "dgn_tf[video]", or ask for GIF.'
            ) from None


@dataclasses.dataclass(frozen=True)
class InferenceTask(Typed):
    """Whose latents are inferred, and what is written beside them.

    Attributes:
        recombine: instead of `data`, two or more image files, whose recombinations are written.
        files: instead of `data`, image files.
        edit: GROUP:DIRECTION=VALUE texts, see `parse_edit`.
    """

    data: str = setting(
        "",
        "Images to infer: the path of a folder or an .npz file, or any other name that --data of "
        "dgn_tf.train takes. They become square, with the size and the channels of the run.",
        reads="data",
    )
    data_dir: str = setting("", "Folder of prepared TFDS data sets; empty for that of the run.")
    limit: int = setting(0, "Infer the first LIMIT images; 0 for all.")
    batch_size: int = setting(100, "Images that are inferred at a time.")
    board: int = setting(8, "Images of --data on the board of recombinations; 0 for none.")
    animate: str = setting(
        "",
        "Also write traversals of the leading principal directions into animations/, those of the "
        "geometry with the appearance of the first image.",
        ("", *FORMATS),
    )
    recombine: Sequence[str] = ()
    edit: Sequence[str] = ()
    align: str = align_setting()
    files: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        super().__post_init__()
        require(self.limit >= 0, "limit", self.limit, "0 or more")
        require_choice(self, "align")
        require(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1")
        in_range = 0 <= self.board <= _MOST_ON_BOARD
        require(in_range, "board", self.board, f"from 0 to {_MOST_ON_BOARD}")
        if sum(map(bool, (self.data, self.recombine, self.files))) != 1:
            raise InputError(
                "give either image files, as in dgn infer ann.jpg, or `data`, a data set, or "
                "`recombine`, image files."
            )
        if not self.data and (self.limit or self.data_dir):
            raise InputError("`limit` and `data_dir` choose from `data`: leave them out here.")
        if self.recombine and not 2 <= len(self.recombine) <= _MOST_RECOMBINED:
            raise InputError(
                f"`recombine={','.join(self.recombine)}`: name 2 to {_MOST_RECOMBINED} image "
                "files, with commas between them."
            )
        if self.animate:
            check_format(self.animate)
        self.edits()

    def edits(self) -> list[Edit]:
        """What `edit` says.

        Raises:
            InputError: a text that is not an edit.
        """
        return [parse_edit(text) for text in self.edit]
