"""Data sources: everything that the setting `data` can name, as `Examples`.

What is here needs no TensorFlow, which takes seconds to import, until data are loaded that need it.
"""

from dgn_tf.data.sources.registry import (
    SOURCES,
    load,
    may_share,
    other_data,
    paths_of,
    require_data,
    source_of,
    with_kind,
)

__all__ = [
    "SOURCES",
    "load",
    "may_share",
    "other_data",
    "paths_of",
    "require_data",
    "source_of",
    "with_kind",
]
