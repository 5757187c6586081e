"""What a file holds, by its suffix or, where that says nothing, by its first bytes."""

import os
import re

IMAGES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".pjpeg",
    ".png",
    ".apng",
    ".webp",
    ".bmp",
    ".dib",
    ".gif",
    ".tif",
    ".tiff",
    ".avif",
    ".heic",
    ".heif",
    ".jp2",
    ".j2k",
    ".jpf",
    ".jpx",
    ".pgm",
    ".ppm",
    ".pbm",
    ".pnm",
)
VIDEOS = (
    ".mp4",
    ".m4v",
    ".mov",
    ".avi",
    ".mkv",
    ".webm",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".asf",
    ".flv",
    ".3gp",
    ".3g2",
    ".ogv",
    ".m2ts",
    ".mts",
)
# Bytes that tell every kind; a stream of MPEG packets shows itself by its third one only.
HEAD = 400
# Cameras' raw files begin as TIFF files do, and what Pillow finds in them is a small preview.
_RAW = re.compile(
    r"\.(3fr|arw|cr2|dcr|dng|erf|iiq|kdc|mef|mos|nef|nrw|orf|pef|raw|rw2|rwl|sr2|srw)"
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_IMAGE_BRANDS = (*_HEIF_BRANDS, b"avif", b"avis")
_IMAGE_HEADS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\0\0\0\x0cjP  \r\n\x87\n",
    b"\xff\x4f\xff\x51",
)
_VIDEO_HEADS = (
    b"\x1aE\xdf\xa3",
    b"0&\xb2u\x8ef\xcf\x11",
    b"FLV\x01",
    b"OggS",
    b"\0\0\x01\xba",
    b"\0\0\x01\xb3",
    b"\x06\x0e+4\x02\x05\x01\x01",
    b"YUV4MPEG2 ",
)
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def suffix_of(name: str) -> str:
    """The suffix of a file's name or path in small letters, ".jpg"; "" if it has none."""
    return os.path.splitext(name)[1].lower()


def kind_by_suffix(name: str) -> str | None:
    """Say "image" or "video" as a suffix promises it; None where it says nothing of the two."""
    suffix = suffix_of(name)
    if suffix in IMAGES:
        return "image"
    return "video" if suffix in VIDEOS else None


def kind_by_content(name: str, head: bytes) -> str | None:
    """Say "image" or "video", as the first `HEAD` bytes of a file show it; None for others."""
    if head.startswith(_IMAGE_HEADS) or head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS:
        return None if _RAW.fullmatch(suffix_of(name)) else "image"
    if head[:4] == b"RIFF":
        return {b"WEBP": "image", b"AVI ": "video"}.get(head[8:12])
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "image"
    if head.startswith(_VIDEO_HEADS) or head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return "video"
    # Packets of 188 bytes, with four more before each on a camera's card.
    for first, length in ((0, 188), (4, 192)):
        if len(head) == HEAD and head[first::length][:2] == b"GG":
            return "video"
    return None


def is_heif(head: bytes) -> bool:
    """Whether a file is an image as telephones write it, which Pillow reads with a plugin only."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def is_animated(head: bytes) -> bool:
    """Whether an image file may hold several frames: a GIF, or a WebP or PNG that says so.

    A PNG says so in front of its pixels, which may be behind `HEAD` bytes.
    """
    if head.startswith((b"GIF87a", b"GIF89a")) or head[4:12] == b"ftypavis":
        return True
    if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
        return bool(head[20] & 2)
    return head.startswith(b"\x89PNG") and b"acTL" in head.partition(b"IDAT")[0]
