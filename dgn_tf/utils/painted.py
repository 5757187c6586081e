"""A mark at the end of files that are painted to be looked at, so that data leave them out.

Such a file lies wherever its user wants it, often beside photographs, where no record of ours tells
what it is. Programs that show images pass the mark over, as the formats provide for.
"""

import os
import zlib
from pathlib import Path

from dgn_tf.utils.reading import open_regular

_MARK = b"painted by dgn_tf"
# What a PNG and a GIF end with; an MP4 ends with a box of any kind.
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_GIF_END = b";"
_TAIL = 64


def is_painted(path: str | os.PathLike) -> bool:
    """Whether a file ends as `marked` makes it end; False for one that cannot be read."""
    if Path(path).suffix.lower() not in (".png", ".gif", ".mp4"):
        return False
    try:
        with open_regular(path) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            return _MARK in file.read(_TAIL)
    except OSError:
        return False


def marked(content: bytes, suffix: str) -> bytes:
    """A whole file of the suffix .png, .gif or .mp4, with the mark."""
    if suffix == ".png":
        chunk = b"tEXtSoftware\0" + _MARK
        checked = chunk + zlib.crc32(chunk).to_bytes(4, "big")
        # The length of a chunk does not count its name.
        length = (len(chunk) - 4).to_bytes(4, "big")
        return content.removesuffix(_PNG_END) + length + checked + _PNG_END
    if suffix == ".gif":
        comment = b"!\xfe" + bytes([len(_MARK)]) + _MARK + b"\0"
        return content.removesuffix(_GIF_END) + comment + _GIF_END
    return content + (8 + len(_MARK)).to_bytes(4, "big") + b"free" + _MARK
