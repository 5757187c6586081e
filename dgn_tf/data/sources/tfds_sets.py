"""The source `tfds`: any TensorFlow Datasets set of images."""

import difflib
from typing import Any

import numpy as np
from google.protobuf.json_format import ParseError

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.sources.source import Source
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import Progress


def _load(data: DataConfig, rest: str, progress: Progress | None) -> Examples:
    """NAME[:SPLIT], a set with an image feature `image`; NAME may be NAME/CONFIG.

    SPLIT, "train" by default, may be any TFDS split expression. Ids are hashes of the TFDS ids.
    """
    # TensorFlow Datasets takes seconds to import: only once data are read.
    import tensorflow_datasets as tfds

    from dgn_tf.data.sources.builders import read_builder

    name, _, split = rest.partition(":")
    builder = _find_builder(name, data.data_dir)
    features = dict(builder.info.features or {})
    if not isinstance(features.get("image"), tfds.features.Image):
        listing = ", ".join(features)
        raise InputError(f"{data.data}: needs an image feature `image`; it has {listing}")
    images, tfds_ids, factors = read_builder(builder, split or "train", "image", data, progress)
    ids = np.array([stable_id(name) for name in tfds_ids], np.int64)
    return Examples(images, ids, tuple(name.decode() for name in tfds_ids), factors)


def _find_builder(name: str, data_dir: str) -> Any:
    """Finds a TFDS builder without a network; refuses unknown names with the closest ones."""
    import tensorflow_datasets as tfds

    from dgn_tf.data.sources.builders import damaged

    try:
        return tfds.builder(name, data_dir=data_dir or None, try_gcs=False)
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
        raise InputError(f"tfds:{name}: {damaged(error, data_dir)}") from error


TFDS = Source(
    kind="tfds",
    form="tfds:NAME[:SPLIT]",
    example="tfds:mnist:train",
    load=_load,
    images=True,
)
