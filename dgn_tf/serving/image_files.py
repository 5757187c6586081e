"""JPEG and PNG files inside of a graph that is served, read as dgn_tf reads image files.

They are turned upright, made opaque on white and, for a model, cropped to the center square and
resized, see `dgn_tf.data.squares`. TensorFlow's decoders leave orientation and transparency alone.
"""

from collections.abc import Sequence

import tensorflow as tf

from dgn_tf.data.sources.files import MOST_SENT_PIXELS
from dgn_tf.serving.checks import checked, require
from dgn_tf.types import Tensor

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
# ITU-R 601 luma.
_LUMA = (0.299, 0.587, 0.114)
# Of EXIF: the tag of the orientation, and the types of its number.
_ORIENTATION, _SHORT, _LONG = 0x0112, 3, 4
# Entries of a directory that are looked at.
_MOST_ENTRIES = 512


def squares(name: str, files: Tensor, shape: Sequence[int]) -> Tensor:
    """Images or clips of files, float32 [B, *shape] in [0, 1].

    Args:
        name: of the input, for messages.
        files: string [B], or [B, F] for clips, each the content of a JPEG or PNG file.
        shape: of an observation, [S, S, C] or [F, S, S, C].

    Returns:
        The tensor; evaluated, it raises `InvalidArgumentError` for what is no such file.
    """
    *frames, side, _, channels = shape
    files = checked(name, files, [None, *frames])
    images = tf.map_fn(
        lambda file: _square(upright(file), side, channels),
        tf.reshape(files, [-1]),
        fn_output_signature=tf.TensorSpec([side, side, channels], tf.float32),
    )
    return tf.reshape(images, [-1, *shape]) / 255.0


# A function of its own, which a SavedModel holds once for all signatures.
@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def upright(file: Tensor) -> Tensor:
    """The image of a file at its own size, upright and opaque: uint8 [H, W, 3].

    Args:
        file: string scalar, the content of a JPEG or PNG file.
    """
    content = tf.io.decode_raw(file, tf.uint8)
    is_jpeg = tf.equal(tf.strings.substr(file, 0, len(_JPEG)), _JPEG)
    is_png = tf.equal(tf.strings.substr(file, 0, len(_PNG)), _PNG)
    with tf.control_dependencies([require(is_jpeg | is_png, "files must be JPEG or PNG images")]):
        file = tf.identity(file)
    pixels, orientation = tf.cond(
        is_jpeg, lambda: _read_jpeg(file, content), lambda: _read_png(file, content)
    )
    return _turned(pixels, orientation)


def _read_jpeg(file: Tensor, content: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels uint8 [H, W, 3] and orientation of a JPEG file."""
    sizes = tf.image.extract_jpeg_shape(file)
    with tf.control_dependencies([_bounded(sizes[0], sizes[1])]):
        pixels = tf.io.decode_jpeg(file, 3, dct_method="INTEGER_ACCURATE")

    def at_exif(place: Tensor) -> Tensor:
        head = content[place + 4 : place + 10]
        here = tf.equal(_number(content, place + 1, 1), 0xE1) & tf.equal(tf.size(head), 6)
        return here & tf.reduce_all(tf.equal(tf.pad(head, [[0, 6]])[:6], [*b"Exif\0\0"]))

    def searching(place: Tensor) -> Tensor:
        marker = _number(content, place + 1, 1)
        # The pixels begin at SOS, and nothing else than a marker does with 255.
        goes_on = tf.equal(_number(content, place, 1), 0xFF) & tf.not_equal(marker, 0xDA)
        return goes_on & tf.logical_not(at_exif(place))

    def after(place: Tensor) -> list[Tensor]:
        filling = tf.equal(_number(content, place + 1, 1), 0xFF)
        return [place + tf.where(filling, 1, 2 + tf.maximum(_number(content, place + 2, 2), 2))]

    place = tf.while_loop(searching, after, [tf.constant(2)])[0]
    return pixels, tf.cond(
        at_exif(place),
        lambda: _exif_orientation(content[place + 10 : place + 2 + _number(content, place + 2, 2)]),
        lambda: tf.constant(1),
    )


def _read_png(file: Tensor, content: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels uint8 [H, W, 3] on white, and orientation of a PNG file."""
    sizes = _number(content, 20, 4), _number(content, 16, 4)
    with tf.control_dependencies([_bounded(*sizes)]):
        file = tf.identity(file)

    # Of the kinds of files, alpha is a bit; others have a color or palette entries of it.
    with_alpha = tf.bitwise.bitwise_and(_number(content, 25, 1), 4) > 0
    transparent = with_alpha | (_png_chunk(content, b"tRNS") >= 0)
    # Asked for 16 bits of a file with fewer, TensorFlow gives wrong numbers.
    deep = tf.equal(_number(content, 24, 1), 16)

    def levels(dtype: tf.DType) -> Tensor:
        return tf.cast(tf.io.decode_png(file, 4, dtype=dtype), tf.float32)

    def on_white() -> Tensor:
        found = tf.cond(deep, lambda: tf.round(levels(tf.uint16) / 257.0), lambda: levels(tf.uint8))
        color, alpha = found[..., :3], found[..., 3:] / 255.0
        return tf.cast(tf.round(255.0 + alpha * (color - 255.0)), tf.uint8)

    pixels = tf.cond(transparent | deep, on_white, lambda: tf.io.decode_png(file, 3))
    place = _png_chunk(content, b"eXIf")
    return pixels, tf.cond(
        place >= 0,
        lambda: _exif_orientation(content[place : place + _number(content, place - 8, 4)]),
        lambda: tf.constant(1),
    )


def _png_chunk(content: Tensor, kind: bytes) -> Tensor:
    """Where the data of the first chunk of a kind begin in a PNG file; -1 if there is none."""

    def here(place: Tensor) -> Tensor:
        return tf.equal(_number(content, place + 4, 4), int.from_bytes(kind))

    def after(place: Tensor) -> list[Tensor]:
        # A length that no file has must not lead back.
        return [place + 12 + tf.clip_by_value(_number(content, place, 4), 0, tf.size(content))]

    place = tf.while_loop(
        lambda place: (place < tf.size(content)) & tf.logical_not(here(place)),
        after,
        [tf.constant(len(_PNG))],
    )[0]
    return tf.where(here(place), place + 8, -1)


def _bounded(height: Tensor, width: Tensor) -> tf.Operation | None:
    few = (height > 0) & (width > 0)
    few &= tf.cast(height, tf.int64) * tf.cast(width, tf.int64) <= MOST_SENT_PIXELS
    reason = f"files must be images of at most {MOST_SENT_PIXELS} pixels; one has height and width"
    return require(few, reason, height, width)


# A function of its own, too: there are many calls.
@tf.function(autograph=False)
def _number(content: Tensor, place: Tensor, size: int, little: Tensor | bool = False) -> Tensor:
    """The unsigned number of some bytes at a place, int32; beyond the end there are zeros."""
    places = tf.expand_dims(tf.clip_by_value(place, 0, tf.size(content)), -1) + tf.range(size)
    inside = places < tf.size(content)
    # An empty content has no byte to gather.
    padded = tf.pad(content, [[0, 1]])
    found = tf.cast(tf.gather(padded, tf.where(inside, places, tf.size(content))), tf.int32)
    found = tf.where(little, found, tf.reverse(found, [-1]))
    return tf.reduce_sum(tf.bitwise.left_shift(found, 8 * tf.range(size)), -1)


def _exif_orientation(tiff: Tensor) -> Tensor:
    """The orientation, 1 to 8, that EXIF data states; 1 where they state none."""
    little = tf.equal(_number(tiff, 0, 2), int.from_bytes(b"II"))
    known = little | tf.equal(_number(tiff, 0, 2), int.from_bytes(b"MM"))
    directory = _number(tiff, 4, 4, little)
    count = tf.minimum(_number(tiff, directory, 2, little), _MOST_ENTRIES)
    places = directory + 2 + 12 * tf.range(count)
    kinds = _number(tiff, places + 2, 2, little)
    short, long = (_number(tiff, places + 8, size, little) for size in (2, 4))
    values = tf.where(tf.equal(kinds, _SHORT), short, tf.where(tf.equal(kinds, _LONG), long, 0))
    stated = tf.equal(_number(tiff, places, 2, little), _ORIENTATION)
    stated &= places + 12 <= tf.size(tiff)
    value = tf.reduce_max(tf.where(stated, values, 0))
    return tf.where(known & (value >= 1) & (value <= 8), value, 1)


def _turned(pixels: Tensor, orientation: Tensor) -> Tensor:
    """Pixels [H, W, C] that were stored in an orientation of EXIF, as they are meant."""

    def one_of(*orientations):
        return tf.reduce_any(tf.equal(orientation, orientations))

    pixels = tf.cond(orientation >= 5, lambda: tf.transpose(pixels, [1, 0, 2]), lambda: pixels)
    pixels = tf.cond(one_of(2, 3, 6, 7), lambda: pixels[:, ::-1], lambda: pixels)
    return tf.cond(one_of(3, 4, 7, 8), lambda: pixels[::-1], lambda: pixels)


def _square(pixels: Tensor, side: int, channels: int) -> Tensor:
    """The center square of uint8 pixels [H, W, 3], resized: float32 levels [side, side, channels].

    As in Pillow, columns are filtered to whole levels first, and then rows.
    """
    height, width = tf.shape(pixels)[0], tf.shape(pixels)[1]
    edge = tf.minimum(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    image = tf.cast(pixels[top : top + edge, left : left + edge], tf.float32)
    for size in ([edge, side], [side, side]):
        image = tf.image.resize(image, size, "lanczos3", antialias=True)
        image = tf.clip_by_value(tf.round(image), 0.0, 255.0)
    if channels == 1:
        image = tf.round(tf.reduce_sum(image * tf.constant(_LUMA), -1, keepdims=True))
    return image
