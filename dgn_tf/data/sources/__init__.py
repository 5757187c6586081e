"""Data sources: everything that the setting `data` can name, as `Examples`."""

from dgn_tf.data.sources.registry import (
    SOURCES,
    load,
    may_share,
    other_data,
    paths_of,
    source_of,
    with_kind,
)

__all__ = ["SOURCES", "load", "may_share", "other_data", "paths_of", "source_of", "with_kind"]
