"""Data sets that TensorFlow Datasets prepares once on the disk, read in their own fixed order."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import tqdm_utils

from dgn_tf.config import DataConfig
from dgn_tf.data.squares import square_array
from dgn_tf.types import Tensor
from dgn_tf.utils.errors import InputError, closed_path
from dgn_tf.utils.network import any_reachable
from dgn_tf.utils.progress import Progress, is_watched, tell
from dgn_tf.utils.quiet import quiet_logs

_BATCH = 256


def damaged(error: Exception, data_dir: str) -> str:
    """Says which prepared data TFDS cannot make sense of, or may not read, and what to do.

    Args:
        error: that TFDS has raised.
        data_dir: folder of the prepared data; empty for TFDS's own default.
    """
    cause: BaseException | None = error
    while cause:
        if told := closed_path(cause):
            return told
        cause = cause.__cause__ or cause.__context__
    reason = " ".join(str(error).split())[:500]
    folder = data_dir or tfds.core.constants.DATA_DIR
    return f"{reason} (if its prepared data in {folder} is damaged, delete it to prepare it again)"


@quiet_logs()
def read_builder(
    builder: tfds.core.DatasetBuilder,
    split: str,
    pixels: str,
    data: DataConfig,
    progress: Progress | None,
) -> tuple[np.ndarray, list[bytes], dict[str, np.ndarray]]:
    """Prepares a TFDS data set where needed and reads the first of its examples.

    Args:
        builder: of the data set.
        split: any TFDS split expression, such as "train[:10%]".
        pixels: the feature that holds the images [H, W, C] or clips [F, H, W, C].
        data: side, channels and limit, and the name for messages.
        progress: called with (examples done, examples in all) now and then.

    Returns:
        Images uint8 [N, S, S, C] or clips [N, F, S, S, C]; the TFDS ids; and every feature of
        fixed-size numbers of rank 2 or less, [N, ...], "outer/inner" where nested.

    Raises:
        InputError: it cannot be prepared or read, or has no such split.
    """
    _prepare(builder, data.data)
    try:
        total = builder.info.splits[split].num_examples
    except (KeyError, ValueError) as error:
        known = ", ".join(builder.info.splits)
        raise InputError(f"{data.data}: no split {split!r}; it has {known}") from error
    if not total:
        raise InputError(f"{data.data}: the split {split!r} is empty")
    total = min(data.limit, total) if data.limit else total
    try:
        return _read(builder, split, pixels, total, data, progress)
    except tf.errors.PermissionDeniedError as error:
        raise InputError(
            f"{data.data}: a file of the prepared data in {builder.data_dir} may not be read: "
            "allow it, or name another folder."
        ) from error
    except (tf.errors.OpError, ValueError) as error:
        raise InputError(
            f"{data.data}: the prepared data in {builder.data_dir} cannot be read "
            f"({_first_line(error)}); delete that folder to prepare it again"
        ) from error


def _read(
    builder: tfds.core.DatasetBuilder,
    split: str,
    pixels: str,
    total: int,
    data: DataConfig,
    progress: Progress | None,
) -> tuple[np.ndarray, list[bytes], dict[str, np.ndarray]]:
    features = builder.info.features
    factors = _numeric_features(features)
    shape = features[pixels].shape
    images = np.empty((total, *shape[:-3], data.side, data.side, data.channels), np.uint8)
    tfds_ids: list[bytes] = []
    columns: dict[str, list[np.ndarray]] = {name: [] for name in factors}

    def choose(example: dict[str, Any]) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        return example[pixels], example["tfds_id"], {n: _pick(example, n) for n in factors}

    read_config = tfds.ReadConfig(add_tfds_id=True, try_autocache=False)
    dataset = builder.as_dataset(split=split, shuffle_files=False, read_config=read_config)
    # Batches cost Python much less an image, but take images of one size.
    size = 1 if None in shape else _BATCH
    for batch, names, values in dataset.map(choose).take(total).batch(size).as_numpy_iterator():
        for image, name in zip(batch, names, strict=True):
            images[len(tfds_ids)] = _squares(image, data.side, data.channels)
            tfds_ids.append(name)
        for name, column in columns.items():
            column.append(values[name])
        if progress:
            progress(len(tfds_ids), total)
    return images, tfds_ids, {name: np.concatenate(column) for name, column in columns.items()}


def _first_line(error: Exception) -> str:
    """The first line of an error's text, the part meant for people."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _numeric_features(features: tfds.features.FeaturesDict) -> list[str]:
    """Names, "outer/inner" where nested, of the features of fixed-size numbers of rank <= 2."""
    found: list[str] = []
    for name, feature in features.items():
        if isinstance(feature, tfds.features.FeaturesDict):
            found += [f"{name}/{inner}" for inner in _numeric_features(feature)]
        elif isinstance(feature, tfds.features.Tensor | tfds.features.Scalar):
            numeric = np.dtype(feature.np_dtype).kind in "biuf"
            if numeric and len(feature.shape) <= 2 and None not in feature.shape:
                found.append(name)
    return found


def _pick(example: Any, name: str) -> Tensor:
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
    if builder.data_path.is_dir() and not os.access(builder.data_path, os.R_OK | os.X_OK):
        # TFDS takes it for one that is not there.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(builder.data_path))
    parsed = [(urlsplit(url), url) for url in builder.url_infos or ()]
    hosts = {parts.hostname: url for parts, url in parsed if parts.scheme in ("http", "https")}
    if hosts and not any_reachable(list(hosts.values())):
        raise InputError(
            f"{spec}: is not prepared in {builder.data_dir} and cannot be downloaded: no "
            f"connection to {', '.join(hosts)}; go online, or name a folder of prepared data sets"
        )
    tell(f"Preparing {spec} in {builder.data_dir}, once: this takes a minute or more.", sys.stderr)
    try:
        with _without_banners(bars=bool(hosts) and is_watched()):
            builder.download_and_prepare()
    except Exception as error:
        if (builder.data_path / "dataset_info.json").exists():
            # Another process was quicker: what it has made is complete, and the same.
            builder.info.read_from_directory(builder.data_path)
            return
        # Builders are foreign code: downloads, licenses to accept, missing extra packages.
        reason = " ".join(str(error).split())[:500]
        raise InputError(
            f"{spec}: cannot be prepared in {builder.data_dir}: {type(error).__name__}: {reason}"
        ) from error


@contextlib.contextmanager
def _without_banners(bars: bool) -> Iterator[None]:
    """In here TFDS prints nothing but, if it is wanted, the bars of downloads."""
    before = getattr(tqdm_utils, "_active", True)
    tfds.display_progress_bar(bars)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.display_progress_bar(before)
