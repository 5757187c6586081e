"""The frames of one video or animation, upright and of square pixels, each with its time.

A frame that cannot be decoded is a gap: what comes after it does not follow what came before.
"""

import functools
import io
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from dgn_tf.data.bare import without_metadata
from dgn_tf.data.decoding import ORIENTATIONS, open_image, turn_of
from dgn_tf.data.squares import square, whole
from dgn_tf.utils.reading import read_regular, require_regular

# Where Pillow refuses an image as a decompression bomb.
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)
# What browsers take for a GIF that says zero.
_GIF_SECONDS = 0.1
# A pixel that is shown more times as wide as high, or as high as wide, is a damaged header.
_MOST_STRETCHED = 16
# Degrees by which a display matrix may miss a quarter turn.
_TOLERANCE = 5.0
# What a file may lack at its end of the length that it states, as a share and in frames.
_MISSING_SHARE, _MISSING_FRAMES = 0.1, 2
# Containers that have no table of their frames: a reader looks for the next sound part of a damaged
# one without a word. Times that leap over so many seconds and frames are of frames that are gone.
_WITHOUT_TABLE = {"matroska", "webm", "mpegts", "mpeg", "ogg", "flv"}
_LEAP_SECONDS, _LEAP_FRAMES = 0.5, 5
# EXIF orientations of quarter turns clockwise, and of the same after a mirror.
_TURNED, _MIRRORED = (1, 6, 3, 8), (2, 7, 4, 5)


class Gap(str):
    """Stands where frames are missing, and says why."""


# Seconds from the start, and what makes the square image, uint8 [side, side, channels]; of side 0
# the whole image [H, W, channels].
Timed: TypeAlias = Iterator[tuple[float, Callable[[], np.ndarray]] | Gap]


def open_animation(source: Path, side: int, channels: int) -> Timed:
    """The frames of a GIF, WebP, PNG or AVIF file; what the file lacks at its end is a gap.

    Frames are turned as the orientation of the file says (EXIF), as a single image is.

    Raises:
        Exception: whatever the decoder raises for a broken file, where it breaks.
    """
    content = read_regular(source)
    try:
        image = open_image(io.BytesIO(content))
    except OSError:
        # A WebP that is cut off is refused whole, its complete frames alone are not.
        image = open_image(io.BytesIO(without_metadata(content)))
    with image:
        # A PNG may begin with an image for programs that show no animations.
        number, seconds, held = int(getattr(image, "default_image", False)), 0.0, None
        turn = turn_of(image)
        while True:
            try:
                image.seek(number)
                frame = turn(image)
            except EOFError:
                break
            if held is not None:
                yield held
            draw = functools.partial(square, side=side) if side else whole
            held = seconds, functools.partial(draw, frame, channels=channels)
            seconds += image.info.get("duration", 0) / 1000 or _GIF_SECONDS
            number += 1
        if _is_cut_off(content):
            # Half a frame of a GIF is decoded without a word.
            yield Gap(f"is cut off after {number} frames")
        elif held is not None:
            yield held


def _is_cut_off(content: bytes) -> bool:
    """Whether the last bytes of a GIF or WebP are missing."""
    if content.startswith(b"GIF8"):
        return not content.rstrip(b"\0\r\n").endswith(b";")
    if content.startswith(b"RIFF"):
        return len(content) < 8 + int.from_bytes(content[4:8], "little")
    return False


def open_video(source: Path, side: int, channels: int) -> Timed:
    """The frames of a video file; what cannot be decoded, up to the next key frame, is a gap.

    So is the frame before, which the same damage may have reached without a word of the decoder.

    Raises:
        Exception: whatever FFmpeg raises for a file that it cannot go on with.
    """
    import av

    require_regular(source)
    # FFmpeg takes what stands before a colon for a protocol: "12:30.mp4".
    with av.open(os.path.abspath(source)) as container:
        if not container.streams.video:
            raise ValueError("holds no images")
        # A cover is a stream of video too.
        stream: Any = container.streams.best("video")
        if stream.codec_context is None:
            raise ValueError("says nothing that FFmpeg knows of how its images are coded")
        _require_size(stream.width, stream.height)
        # Threads that decode several frames at once tell of damage too early.
        stream.thread_type = "SLICE"
        if stream.codec_context.name == "mjpeg":
            # Else it makes up what it cannot decode of a frame; no other frame depends on it.
            stream.codec_context.options = {"err_detect": "explode"}
        length = 1 / float(stream.average_rate or 25)
        leap = max(_LEAP_SECONDS, _LEAP_FRAMES * length)
        tabled = _WITHOUT_TABLE.isdisjoint(container.format.name.split(","))
        times: list[float] = []
        lasts, held, broken = length, None, False
        for frame in _frames(container, stream):
            if isinstance(frame, Gap):
                yield Gap(f"{frame} after {len(times)} frames")
                held, broken = None, True
                continue
            # Some files leave time stamps out.
            last = times[-1] if times else -length
            time = last + length if frame.time is None else frame.time
            if times and not broken and not tabled and time - last - lasts > leap:
                gone = time - last - lasts
                yield Gap(f"is damaged after {len(times)} frames: {gone:.1f} s are missing")
                held, broken = None, True
            # What follows is drawn upon what is missing.
            if broken and not frame.key_frame:
                continue
            if held is not None:
                yield held
            times.append(time)
            lasts = float(frame.duration * frame.time_base) if frame.duration else length
            aspect = float(stream.sample_aspect_ratio or 1)
            held = times[-1], functools.partial(upright, frame, aspect, side, channels)
            broken = False
        stated = _seconds(stream, container)
        missing = stated - (times[-1] - times[0] + lasts) if times else 0
        if missing > max(_MISSING_SHARE * stated, _MISSING_FRAMES * length):
            lacks = f"{missing:.1f} of {stated:.1f} s are missing"
            yield Gap(f"is cut off after {len(times)} frames: {lacks}")
        elif held is not None:
            yield held


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """The frames as they are decoded, and a `Gap` for each that is damaged."""
    from av.error import FFmpegError

    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except FFmpegError as error:
            yield Gap(type(error).__name__)
            continue
        for frame in frames:
            yield Gap("is damaged") if frame.is_corrupt else frame
        if packet.is_corrupt:
            yield Gap("is damaged")


def _seconds(stream: Any, container: Any) -> float:
    """How long a video says that it is; 0 if it does not."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # In microseconds; with sound that goes on the images may end before.
    alone = len(container.streams) == 1
    return container.duration / 1e6 if container.duration and alone else 0.0


def _require_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"frames of {width} x {height} are more than {MOST_PIXELS / 1e6:.0f} megapixels"
        )


def upright(frame: Any, aspect: float, side: int, channels: int) -> np.ndarray:
    """The image of a decoded frame, turned, mirrored and stretched as its file asks for.

    Args:
        frame: of PyAV.
        aspect: how many times as wide as high its pixels are shown.
        side: the side of the square in pixels; 0 for the whole image at its own size.
        channels: 1 or 3.

    Returns:
        uint8 [side, side, channels], or [H, W, channels].

    Raises:
        ValueError: the frame is absurdly large, or asked to be shown in a way that is none.
    """
    # Some formats change it on the way.
    _require_size(frame.width, frame.height)
    if not 1 / _MOST_STRETCHED <= aspect <= _MOST_STRETCHED:
        raise ValueError(f"pixels that are {aspect:g} times as wide as high are a damaged header")
    image = frame.to_image()
    matrix = frame.side_data.get("DISPLAYMATRIX")
    orientation = orientation_of(bytes(matrix)) if matrix else 1
    if orientation > 1:
        image = image.transpose(ORIENTATIONS[orientation])
    shown = 1 / aspect if orientation >= 5 else aspect
    return square(image, side, channels, shown) if side else whole(image, channels, shown)


def orientation_of(matrix: bytes) -> int:
    """The EXIF orientation, 1 to 8, that a display matrix asks for.

    Args:
        matrix: nine numbers int32, a b u, c d v, x y w: the pixel (x, y), y downwards, is shown at
            (a x + c y, b x + d y). What it stretches is in the aspect of the pixels.

    Raises:
        ValueError: it is neither a quarter turn nor one of a mirror image.
    """
    a, b, _, c, d = (float(value) for value in np.frombuffer(matrix, np.int32)[:5])
    mirrored = a * d < b * c
    if mirrored:
        a, b = -a, -b
    degrees = math.degrees(math.atan2(b, a))
    quarters = round(degrees / 90)
    if abs(degrees - 90 * quarters) > _TOLERANCE:
        raise ValueError(f"is to be shown turned by {degrees:.0f} degrees, which is no quarter")
    return (_MIRRORED if mirrored else _TURNED)[quarters % 4]
