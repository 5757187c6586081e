"""Data sets by name: `heads`, a folder, videos, a TFDS set or an .npz file, all as `Examples`."""

import contextlib
import difflib
from collections.abc import Iterator
from urllib.parse import urlsplit

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging
from google.protobuf.json_format import ParseError

from dgn_tf.config.fields import check_frames, parse_where
from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.sources.arrays import load_npz, square_array
from dgn_tf.data.sources.clips import load_clips
from dgn_tf.data.sources.folders import Progress, load_folder
from dgn_tf.data.sources.packed import load_packed
from dgn_tf.data.synthetic.heads import Heads, HeadsConfig
from dgn_tf.data.synthetic.heads_clips import HeadsClips, HeadsClipsConfig, clip_names
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.network import any_reachable

_FORMS = (
    "heads[:SPLIT] (heads:test), folder:PATH (folder:photos/cats), "
    "tfds:NAME[:SPLIT] (tfds:mnist:train), npz:PATH[:KEY] (npz:faces.npz:images), "
    "shards:PATTERN (shards:packed); "
    "of clips: heads_clips[:SPLIT], clips:PATH (clips:videos)"
)
_DRAWN_SPLITS = {"heads": ("train", "test", "views"), "heads_clips": ("train", "test")}
_BATCH = 256


def load(
    spec: str,
    side: int,
    channels: int,
    limit: int = 0,
    data_dir: str | None = None,
    progress: Progress | None = None,
    where: str = "",
    frames: int = 0,
    stride: int = 1,
    fps: float = 0.0,
) -> Examples:
    """Loads the data set that `spec` names.

    * `heads[:SPLIT]`: the rendered heads, split train (the default), test or views.
    * `folder:PATH`: the image files under a folder.
    * `tfds:NAME[:SPLIT]`: a TensorFlow Datasets set with an `image` feature, NAME or NAME/CONFIG;
      SPLIT (train by default) may be any TFDS split expression, such as `train[:10%]`.
    * `npz:PATH[:KEY]`: an array [N, H, W] or [N, H, W, 1 or 3] of uint8, or of floats in [0, 1];
      with `frames`, clips that its arrays `clip` and `frame` tell apart.
    * `shards:PATTERN`: folders that `dgn_tf.pack` has written, images or clips; they stay there
      and are read as they are used.
    * `heads_clips[:SPLIT]`: the rendered heads with expressions, split train or test.
    * `clips:PATH`: the videos and folders of frames under a folder, or one video file.

    Images of any other size are made square as `dgn_tf.data.sources.folders.square` says. Fixed-size
    numeric features of TFDS sets (rank at most 2) and further arrays of length N of an .npz file
    become factors.

    Args:
      spec: the name, in one of the forms above.
      side: the side S of the images, in pixels.
      channels: 1 (luma) or 3 (RGB).
      limit: take only the first `limit` examples; 0 takes all.
      data_dir: where TFDS keeps prepared data; None is TFDS's own default.
      progress: called with (examples done, examples in all) now and then.
      where: "LABEL=VALUE" takes only the examples whose label has this value.
      frames: frames of a clip; 0 for images.
      stride: take every stride-th frame of `clips` and `npz`.
      fps: frames a second to take of the videos of `clips`; 0 takes all.

    Returns:
      The examples, in an order that every call repeats.

    Raises:
      InputError: if the spec, the file or the data set cannot be used.
    """
    if side < 1:
        raise InputError(f"the image side must be at least 1 pixel; found {side}")
    if channels not in (1, 3):
        raise InputError(f"channels must be 1 or 3; found {channels}")
    if limit < 0:
        raise InputError(f"the limit on examples must be 0 (all) or more; found {limit}")
    _check_clips(spec, frames, stride, fps)
    window = frames, stride, fps
    if not where:
        return _load(spec, side, channels, limit, data_dir, progress, *window)
    chosen = _select(_load(spec, side, channels, 0, data_dir, progress, *window), spec, where)
    return chosen.subset(np.arange(min(limit, len(chosen)))) if limit else chosen


def _load(
    spec: str,
    side: int,
    channels: int,
    limit: int,
    data_dir: str | None,
    progress: Progress | None,
    frames: int,
    stride: int,
    fps: float,
) -> Examples:
    """The examples of `spec`, one of the kinds that `load` lists."""
    kind, _, rest = spec.partition(":")
    if kind in _DRAWN_SPLITS:
        _check_split(spec, kind, rest or "train")
        with _without_warnings():
            builder = _drawn_builder(kind, side, frames, data_dir)
            return _load_builder(builder, spec, rest or "train", side, channels, limit, progress)
    if kind == "folder" and rest:
        return load_folder(rest, side, channels, limit, progress)
    if kind == "clips" and rest:
        return load_clips(rest, side, channels, frames, stride, fps, limit, progress)
    if kind == "tfds" and rest:
        name, _, split = rest.partition(":")
        builder = _find_builder(name, data_dir)
        return _load_builder(builder, spec, split or "train", side, channels, limit, progress)
    if kind == "shards" and rest:
        packed = load_packed(rest, side, channels, frames)
        return packed.subset(np.arange(min(limit, len(packed)))) if limit else packed
    if kind == "npz" and rest:
        return load_npz(rest, side, channels, limit, progress, frames, stride)
    raise InputError(f"data set {spec!r} is not one of the forms {_FORMS}")


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Says nothing of unlisted configurations and TFDS's own deprecations: users can do nothing."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _check_clips(spec: str, frames: int, stride: int, fps: float) -> None:
    """Refuses numbers of frames that the kind of data cannot have."""
    check_frames(frames, stride, fps)
    kind = spec.partition(":")[0]
    if kind in ("heads_clips", "clips") and not frames:
        raise InputError(f"{spec} holds clips: give --frames, how many frames each has.")
    if kind in ("heads", "folder", "tfds") and frames:
        raise InputError(
            f"--frames={frames}: {spec} holds images; clips come from heads_clips, clips:PATH, "
            "or npz:PATH with the arrays clip and frame."
        )
    if kind == "heads_clips" and (stride != 1 or fps):
        raise InputError(f"{spec} is drawn frame by frame: leave out --stride and --fps.")
    if kind == "shards" and (stride != 1 or fps):
        raise InputError(f"{spec} was packed frame by frame: leave out --stride and --fps.")
    if kind == "npz" and fps:
        raise InputError(f"--fps={fps:g}: {spec} states no rate: use --stride.")


def _select(examples: Examples, spec: str, where: str) -> Examples:
    """The examples that `where` chooses."""
    label, value = parse_where(where)
    numbers = {n: v for n, v in examples.factors.items() if v.ndim == 1 and v.dtype.kind in "biuf"}
    if label not in numbers:
        listing = ", ".join(numbers) or "no labels"
        raise InputError(f"--where={where}: {spec} has no label {label!r}; it has {listing}.")
    chosen = numbers[label] == value
    if not chosen.any():
        known = np.unique(numbers[label])
        listing = ", ".join(f"{v:g}" for v in known[:10]) + (", ..." if len(known) > 10 else "")
        raise InputError(f"--where={where}: no example of {spec} has it; {label} is {listing}.")
    return examples.subset(chosen)


def _check_split(spec: str, kind: str, split: str) -> None:
    """Refuses an unknown split of heads before they are drawn, which takes a while."""
    known = _DRAWN_SPLITS[kind]
    for part in split.split("+"):
        if part.partition("[")[0].strip() not in known:
            raise InputError(f"{spec}: no split {split!r}; it has {', '.join(known)}")


def _drawn_builder(
    kind: str, side: int, frames: int, data_dir: str | None
) -> tfds.core.DatasetBuilder:
    """Makes the builder of heads, which reads what an earlier run prepared."""
    try:
        if kind == "heads":
            return Heads(config=HeadsConfig(side=side), data_dir=data_dir)
        return HeadsClips(config=HeadsClipsConfig(side=side, frames=frames), data_dir=data_dir)
    except ParseError as error:
        raise InputError(f"{kind}: {_damaged(error, data_dir)}") from error


def _damaged(error: Exception, data_dir: str | None) -> str:
    """Says which prepared data TFDS cannot make sense of, and what to do."""
    reason = " ".join(str(error).split())[:500]
    folder = data_dir or tfds.core.constants.DATA_DIR
    return f"{reason} (if its prepared data in {folder} is damaged, delete it to prepare it again)"


def _find_builder(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    """Finds a TFDS builder without a network; refuses unknown names with the closest ones."""
    try:
        return tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name.partition("/")[0], known)
        hint = f"; close names: {', '.join(close)}" if close else ""
        raise InputError(f"tfds:{name}: TFDS knows no such data set{hint}") from error
    except (ValueError, OSError, ParseError) as error:
        set_name, _, config = name.partition("/")
        coded = set_name in tfds.list_builders(with_community_datasets=False)
        known = list(tfds.builder_cls(set_name).builder_configs) if coded else []
        if coded and config and config not in known:
            hint = f"it has {', '.join(known)}" if known else f"use tfds:{set_name}"
            raise InputError(f"tfds:{name}: no configuration {config!r}; {hint}") from error
        raise InputError(f"tfds:{name}: {_damaged(error, data_dir)}") from error


def _load_builder(
    builder: tfds.core.DatasetBuilder,
    spec: str,
    split: str,
    side: int,
    channels: int,
    limit: int,
    progress: Progress | None,
) -> Examples:
    """Prepares a TFDS data set where needed and reads it in its own fixed order."""
    features, clips = dict(builder.info.features or {}), isinstance(builder, HeadsClips)
    if not clips and not isinstance(features.get("image"), tfds.features.Image):
        raise InputError(f"{spec}: needs an image feature `image`; it has {', '.join(features)}")
    _prepare(builder, spec)
    try:
        total = builder.info.splits[split].num_examples
    except (KeyError, ValueError) as error:
        known = ", ".join(builder.info.splits)
        raise InputError(f"{spec}: no split {split!r}; it has {known}") from error
    if not total:
        raise InputError(f"{spec}: the split {split!r} is empty")
    total = min(limit, total) if limit else total
    try:
        images, tfds_ids, factors = _read(builder, split, total, side, channels, progress)
    except (tf.errors.OpError, ValueError) as error:
        raise InputError(
            f"{spec}: the prepared data in {builder.data_dir} cannot be read "
            f"({_first_line(error)}); delete that folder to prepare it again"
        ) from error
    names = clip_names(factors) if clips else tuple(name.decode() for name in tfds_ids)
    if isinstance(builder, Heads | HeadsClips):
        ids = factors.pop("id")
    else:
        ids = np.array([stable_id(name) for name in tfds_ids], np.int64)
    return Examples(images, ids, names, factors)


def _read(
    builder: tfds.core.DatasetBuilder,
    split: str,
    total: int,
    side: int,
    channels: int,
    progress: Progress | None,
) -> tuple[np.ndarray, list[bytes], dict[str, np.ndarray]]:
    """Reads the first `total` examples: images, TFDS ids and factors, in the data's own order."""
    features = builder.info.features
    pixels = "video" if isinstance(builder, HeadsClips) else "image"
    factors = _numeric_features(features)
    shape = features[pixels].shape
    images = np.empty((total, *shape[:-3], side, side, channels), np.uint8)
    tfds_ids: list[bytes] = []
    columns: dict[str, list[np.ndarray]] = {name: [] for name in factors}

    def choose(example: dict) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        return example[pixels], example["tfds_id"], {n: _pick(example, n) for n in factors}

    read_config = tfds.ReadConfig(add_tfds_id=True, try_autocache=False)
    dataset = builder.as_dataset(split=split, shuffle_files=False, read_config=read_config)
    # Batches cost Python much less an image, but take images of one size.
    size = 1 if None in shape else _BATCH
    for pictures, names, values in dataset.map(choose).take(total).batch(size).as_numpy_iterator():
        for image, name in zip(pictures, names, strict=True):
            images[len(tfds_ids)] = _squares(image, side, channels)
            tfds_ids.append(name)
        for name, column in columns.items():
            column.append(values[name])
        if progress:
            progress(len(tfds_ids), total)
    return images, tfds_ids, {name: np.concatenate(column) for name, column in columns.items()}


def _first_line(error: Exception) -> str:
    """Returns the first line of an error's text, the part meant for people."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _numeric_features(features: tfds.features.FeaturesDict) -> list[str]:
    """Names, "outer/inner" where nested, the features that are fixed-size numbers of rank <= 2."""
    found: list[str] = []
    for name, feature in features.items():
        if isinstance(feature, tfds.features.FeaturesDict):
            found += [f"{name}/{inner}" for inner in _numeric_features(feature)]
        elif isinstance(feature, tfds.features.Tensor | tfds.features.Scalar):
            numeric = np.dtype(feature.np_dtype).kind in "biuf"
            if numeric and len(feature.shape) <= 2 and None not in feature.shape:
                found.append(name)
    return found


def _pick(example: dict, name: str) -> tf.Tensor:
    """Follows "outer/inner" into a nested example."""
    for part in name.split("/"):
        example = example[part]
    return example


def _squares(pixels: np.ndarray, side: int, channels: int) -> np.ndarray:
    """Makes an image [H, W, C], or every frame of a clip [F, H, W, C], a square."""
    if pixels.ndim < 4:
        return square_array(pixels, side, channels)
    return np.stack([square_array(frame, side, channels) for frame in pixels])


def _prepare(builder: tfds.core.DatasetBuilder, spec: str) -> None:
    """Downloads and prepares a set that is not on the disk yet; without a network fails at once."""
    if (builder.data_path / "dataset_info.json").exists():
        return
    parsed = [(urlsplit(url), url) for url in builder.url_infos or ()]
    hosts = {parts.hostname: url for parts, url in parsed if parts.scheme in ("http", "https")}
    if hosts and not any_reachable(list(hosts.values())):
        raise InputError(
            f"{spec}: is not prepared in {builder.data_dir} and cannot be downloaded: no "
            f"connection to {', '.join(hosts)}; go online, or name a folder of prepared data sets"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:
        # Builders are foreign code: downloads, licenses to accept, missing extra packages.
        reason = " ".join(str(error).split())[:500]
        raise InputError(
            f"{spec}: cannot be prepared in {builder.data_dir}: {type(error).__name__}: {reason}"
        ) from error
