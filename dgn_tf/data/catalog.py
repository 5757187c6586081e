"""Data sets by name: `heads`, a folder, a TFDS data set or an .npz file, all as `Examples`."""

import difflib
import queue
import socket
import threading
import time
import urllib.request
import zipfile
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from google.protobuf.json_format import ParseError
from PIL import Image

from dgn_tf.config import InputError, parse_where
from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.folders import Progress, load_folder, square
from dgn_tf.data.heads import Heads, HeadsConfig

_FORMS = (
    "heads[:SPLIT] (heads:test), folder:PATH (folder:photos/cats), "
    "tfds:NAME[:SPLIT] (tfds:mnist:train), npz:PATH[:KEY] (npz:faces.npz:images)"
)
_HEADS_SPLITS = ("train", "test", "views")
_PROBE_SECONDS = 5.0
_BATCH = 256


def load(
    spec: str,
    side: int,
    channels: int,
    limit: int = 0,
    data_dir: str | None = None,
    progress: Progress | None = None,
    where: str = "",
) -> Examples:
    """Loads the data set that `spec` names.

    * `heads[:SPLIT]`: the rendered heads, split train (the default), test or views.
    * `folder:PATH`: the picture files under a folder.
    * `tfds:NAME[:SPLIT]`: a TensorFlow Datasets set with an `image` feature, NAME or NAME/CONFIG;
      SPLIT (train by default) may be any TFDS split expression, such as `train[:10%]`.
    * `npz:PATH[:KEY]`: an array [N, H, W] or [N, H, W, 1 or 3] of uint8, or of floats in [0, 1].

    Pictures of any other size are made square as `dgn_tf.data.folders.square` says. Fixed-size
    numeric features of TFDS sets (rank at most 2) and further arrays of length N of an .npz file
    become factors.

    Args:
      spec: the name, in one of the forms above.
      side: the side S of the pictures, in pixels.
      channels: 1 (luma) or 3 (RGB).
      limit: take only the first `limit` examples; 0 takes all.
      data_dir: where TFDS keeps prepared data; None is TFDS's own default.
      progress: called with (examples done, examples in all) now and then.
      where: "LABEL=VALUE" takes only the examples whose label has this value.

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
    if where:
        chosen = _select(load(spec, side, channels, 0, data_dir, progress), spec, where)
        return chosen.subset(np.arange(min(limit, len(chosen)))) if limit else chosen
    kind, _, rest = spec.partition(":")
    if kind == "heads":
        _check_heads_split(spec, rest or "train")
        builder = _heads_builder(HeadsConfig(side=side), data_dir)
        return _load_builder(builder, spec, rest or "train", side, channels, limit, progress)
    if kind == "folder" and rest:
        return load_folder(rest, side, channels, limit, progress)
    if kind == "tfds" and rest:
        name, _, split = rest.partition(":")
        builder = _find_builder(name, data_dir)
        return _load_builder(builder, spec, split or "train", side, channels, limit, progress)
    if kind == "npz" and rest:
        return _load_npz(rest, side, channels, limit, progress)
    raise InputError(f"data set {spec!r} is not one of the forms {_FORMS}")


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


def _check_heads_split(spec: str, split: str) -> None:
    """Refuses an unknown split of `heads` before they are drawn, which takes a while."""
    for part in split.split("+"):
        if part.partition("[")[0].strip() not in _HEADS_SPLITS:
            raise InputError(f"{spec}: no split {split!r}; it has {', '.join(_HEADS_SPLITS)}")


def _heads_builder(config: HeadsConfig, data_dir: str | None) -> Heads:
    """Makes the builder of `heads`, which reads what an earlier run prepared."""
    try:
        return Heads(config=config, data_dir=data_dir)
    except ParseError as error:
        raise InputError(f"heads: {_damaged(error, data_dir)}") from error


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
    names = list(builder.info.features) if builder.info.features else []
    if "image" not in names or not isinstance(builder.info.features["image"], tfds.features.Image):
        raise InputError(f"{spec}: needs a picture feature `image`; it has {', '.join(names)}")
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
    if isinstance(builder, Heads):
        ids = factors.pop("id")
    else:
        ids = np.array([stable_id(name) for name in tfds_ids], np.int64)
    return Examples(images, ids, tuple(name.decode() for name in tfds_ids), factors)


def _read(
    builder: tfds.core.DatasetBuilder,
    split: str,
    total: int,
    side: int,
    channels: int,
    progress: Progress | None,
) -> tuple[np.ndarray, list[bytes], dict[str, np.ndarray]]:
    """Reads the first `total` examples: pictures, TFDS ids and factors, in the data's own order."""
    features = builder.info.features
    factors = _numeric_features(features)
    images = np.empty((total, side, side, channels), np.uint8)
    tfds_ids: list[bytes] = []
    columns: dict[str, list[np.ndarray]] = {name: [] for name in factors}

    def choose(example: dict) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        return example["image"], example["tfds_id"], {n: _pick(example, n) for n in factors}

    read_config = tfds.ReadConfig(add_tfds_id=True, try_autocache=False)
    dataset = builder.as_dataset(split=split, shuffle_files=False, read_config=read_config)
    # Batches cost Python much less a picture, but take pictures of one size.
    size = 1 if None in features["image"].shape else _BATCH
    for pictures, names, values in dataset.map(choose).take(total).batch(size).as_numpy_iterator():
        for picture, name in zip(pictures, names, strict=True):
            images[len(tfds_ids)] = _square_array(picture, side, channels)
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


def _square_array(pixels: np.ndarray, side: int, channels: int) -> np.ndarray:
    """Makes one array [H, W] or [H, W, C] of uint8 or uint16 a square; see `square`."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"an image is {pixels.dtype} {list(pixels.shape)}, not 8- or 16-bit")
    if pixels.dtype == np.uint16 and pixels.ndim == 3:
        pixels = np.rint(pixels / 257).astype(np.uint8)
    return square(Image.fromarray(pixels), side, channels)


def _prepare(builder: tfds.core.DatasetBuilder, spec: str) -> None:
    """Downloads and prepares a set that is not on the disk yet; without a network fails at once."""
    if (builder.data_path / "dataset_info.json").exists():
        return
    parsed = [(urlsplit(url), url) for url in builder.url_infos or ()]
    hosts = {parts.hostname: url for parts, url in parsed if parts.scheme in ("http", "https")}
    if hosts and not _any_reachable(list(hosts.values())):
        raise InputError(
            f"{spec}: is not prepared in {builder.data_dir} and cannot be downloaded: no "
            f"connection to {', '.join(hosts)}; go online, or name a folder of prepared data sets"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:
        # Builders are foreign code: downloads, licences to accept, missing extra packages.
        reason = " ".join(str(error).split())[:500]
        raise InputError(
            f"{spec}: cannot be prepared in {builder.data_dir}: {type(error).__name__}: {reason}"
        ) from error


def _any_reachable(urls: list[str]) -> bool:
    """Tells within seconds whether a connection to the host of any URL opens."""
    answers: queue.Queue[bool] = queue.Queue()
    # Daemon threads, since a name lookup has no time limit of its own and must not hold the exit.
    for url in urls:
        threading.Thread(target=lambda url=url: answers.put(_reachable(url)), daemon=True).start()
    deadline = time.monotonic() + _PROBE_SECONDS
    for _ in urls:
        try:
            if answers.get(timeout=max(0.0, deadline - time.monotonic())):
                return True
        except queue.Empty:
            break
    return False


def _reachable(url: str) -> bool:
    """Tells whether the host of `url`, or the proxy that stands before it, takes a connection."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((parts.hostname, port), timeout=_PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def _load_npz(
    rest: str, side: int, channels: int, limit: int, progress: Progress | None
) -> Examples:
    """Reads `PATH[:KEY]`; ids are row numbers."""
    path, key = rest, ""
    if not Path(rest).expanduser().is_file() and ":" in rest:
        path, _, key = rest.rpartition(":")
    arrays = _read_npz(path)
    listing = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
    candidates = [name for name, array in arrays.items() if array.ndim in (3, 4)]
    if not key:
        if "images" not in arrays and len(candidates) != 1:
            raise InputError(f"npz:{path}: name the images' array (:KEY); it has {listing}")
        key = "images" if "images" in arrays else candidates[0]
    if key not in arrays:
        raise InputError(f"npz:{path}: has no array {key!r}; it has {listing}")
    values = arrays.pop(key)
    where = f"npz:{path}:{key}"
    if values.ndim not in (3, 4) or (values.ndim == 4 and values.shape[3] not in (1, 3)):
        raise InputError(f"{where}: is {list(values.shape)}, not [N, H, W] or [N, H, W, 1 or 3]")
    if 0 in values.shape:
        raise InputError(f"{where}: is empty, {list(values.shape)}")
    rows, total = len(values), min(limit, len(values)) if limit else len(values)
    values = _npz_bytes(values[:total], where)
    images = np.empty((total, side, side, channels), np.uint8)
    for row in range(total):
        images[row] = _square_array(values[row], side, channels)
        if progress and ((row + 1) % 100 == 0 or row + 1 == total):
            progress(row + 1, total)
    factors = {
        name: array[:total] for name, array in arrays.items() if array.ndim and len(array) == rows
    }
    ids = np.arange(total, dtype=np.int64)
    return Examples(images, ids, tuple(str(row) for row in range(total)), factors)


def _read_npz(path: str) -> dict[str, np.ndarray]:
    """Reads every array of an .npz file, refusing pickled objects."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(f"npz:{path}: there is no such file")
    if not zipfile.is_zipfile(file):
        raise InputError(f"npz:{path}: is not an .npz file (numpy.savez writes one)")
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"npz:{path}: cannot be read: {error}") from error


def _npz_bytes(values: np.ndarray, where: str) -> np.ndarray:
    """Returns uint8 values as they are and floats in [0, 1] scaled to 0..255."""
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        raise InputError(f"{where}: must be uint8, or floats in [0, 1]; is {values.dtype}")
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        raise InputError(f"{where}: floats must lie in [0, 1]; found [{low:g}, {high:g}]")
    return np.rint(values * values.dtype.type(255)).astype(np.uint8)
