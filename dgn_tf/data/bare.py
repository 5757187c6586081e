"""Image files without what their pixels do not need, written anew in their own format."""

import struct
import zlib

# Tags of a TIFF that its pixels need: size, bits, compression, colors, and where strips, tiles and
# tables are.
_TIFF_PIXELS = {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320} | {
    322,
    323,
    324,
    325,
    338,
    339,
    347,
    529,
    530,
    531,
    532,
}

# Where a PNG says what kind of colors it has.
_PNG_COLORS = 25


def without_metadata(content: bytes) -> bytes:
    """A file without all that its pixels do not need: PNG, JPEG, WebP, TIFF; another as it is.

    Raises:
        ValueError, struct.error: its pixels are not whole either.
    """
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _bare_png(content)
    if content.startswith(b"\xff\xd8"):
        return _bare_jpeg(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _bare_webp(content)
    if content[:4] in (b"II*\0", b"MM\0*"):
        return _bare_tiff(content)
    return content


def _bare_png(content: bytes) -> bytes:
    kept, place = [content[:8]], 8
    while place < len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        end = place + 12 + length
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT"):
            if end > len(content):
                raise ValueError("the file is cut off")
            if name != b"tRNS" or _is_sound_transparency(content, place, end):
                kept.append(content[place:end])
        place = len(content) if name == b"IEND" else end
    end = b"IEND"
    return b"".join((*kept, struct.pack(">I4sI", 0, end, zlib.crc32(end))))


def _is_sound_transparency(content: bytes, place: int, end: int) -> bool:
    """Whether a block of a PNG is undamaged, and as long as the kind of its colors asks for."""
    # Of gray and of color images it is the value that is not seen.
    least = {0: 2, 2: 6}.get(content[_PNG_COLORS], 0)
    (checksum,) = struct.unpack_from(">I", content, end - 4)
    return end - place - 12 >= least and zlib.crc32(content[place + 4 : end - 4]) == checksum


def _bare_jpeg(content: bytes) -> bytes:
    kept, place = [content[:2]], 2
    while True:
        mark, code, length = struct.unpack_from(">BBH", content, place)
        if mark != 0xFF:
            raise ValueError("no marker where one must be")
        if code == 0xDA:
            return b"".join((*kept, content[place:]))
        end = place + 2 + length
        # What says how colors are coded stays: JFIF and Adobe's segment.
        coding = code in (0xE0, 0xEE) and length >= 14
        if coding or not (0xE0 <= code <= 0xEF or code == 0xFE):
            kept.append(content[place:end])
        place = end


def _bare_webp(content: bytes) -> bytes:
    kept, place = [], 12
    while place + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, place)
        end = place + 8 + length + length % 2
        if name == b"VP8X":
            # Of its flags those of transparency and animation stay.
            flags = content[place + 8] & 0b00010010
            kept.append(content[place : place + 8] + bytes([flags]) + content[place + 9 : end])
        elif name in (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"):
            if end > len(content) + length % 2:
                # Cut off: the frames before it are whole.
                break
            kept.append(content[place:end])
        place = end
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _bare_tiff(content: bytes) -> bytes:
    order = "<" if content.startswith(b"II") else ">"
    (place,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, place)
    first = place + 2
    entries = [content[e : e + 12] for e in range(first, first + 12 * count, 12)]
    kept = [e for e in entries if struct.unpack_from(order + "H", e)[0] in _TIFF_PIXELS]
    # In place of the first directory, so that nothing else moves; those of further images, which it
    # would lead to, are left out.
    directory = struct.pack(order + "H", len(kept)) + b"".join(kept)
    length = 2 + 12 * count + 4
    return content[:place] + directory.ljust(length, b"\0") + content[place + length :]
