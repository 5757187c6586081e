"""The data set that the settings describe."""

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources.catalog import load
from dgn_tf.data.sources.folders import Progress


def load_described(data: DataConfig, progress: Progress | None = None) -> Examples:
    """Returns what `catalog.load` makes of all settings of the data, and raises what it raises."""
    return load(
        data.data,
        data.side,
        data.channels,
        limit=data.limit,
        data_dir=data.data_dir or None,
        progress=progress,
        where=data.where,
        frames=data.frames,
        stride=data.stride,
        fps=data.fps,
    )
