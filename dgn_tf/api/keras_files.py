"""What a file of Keras holds of a generator beside the weights, and how it becomes one again."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgn_tf.api.directions import DirectionTable
from dgn_tf.config import Config
from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.models.factory import encoder_of, encoder_settings
from dgn_tf.runs.directory import DIRECTIONS, STATISTICS
from dgn_tf.visualize.directions import read_directions, write_directions

if TYPE_CHECKING:
    from dgn_tf.api.generator import Generator

_HOW_TO_LOAD = (
    "with dgn_tf: `import dgn_tf` before keras.saving.load_model(path), or dgn_tf.load(path)"
)


def config_of(model: "Generator") -> dict[str, Any]:
    """What makes a generator again, without weights and what it knows, for JSON."""
    return {
        # First in what Keras says where it does not know this class.
        "how_to_load": _HOW_TO_LOAD,
        "name": model.name,
        "settings": model.config.to_json(),
        "encoder": None if model.encoder is None else encoder_settings(model.encoder),
        "folders": model.known.folders,
        "trained": model.known.trained,
    }


def of_config(kind: type["Generator"], described: Mapping[str, Any]) -> "Generator":
    """The generator of a `config_of`.

    Args:
        kind: of images or of clips.
        described: as `config_of` gives it.
    """
    encoder = described["encoder"]
    model = kind(
        Config.from_json(described["settings"]),
        None if encoder is None else encoder_of(encoder),
        name=described["name"],
    )
    model.known.folders, model.known.trained = described["folders"], described["trained"]
    return model


def write_assets(model: "Generator", folder: str) -> None:
    """Keep directions and statistics in the folder that Keras gives for what is no weight."""
    if model.known.directions is not None:
        write_directions(Path(folder, DIRECTIONS), model.known.directions.groups)
    if model.known.statistics is not None:
        model.known.statistics.save(Path(folder, STATISTICS))


def read_assets(model: "Generator", folder: str | None) -> None:
    """Read what `write_assets` has kept; Keras gives no folder where nothing was."""
    if folder is None:
        return
    directions, statistics = Path(folder, DIRECTIONS), Path(folder, STATISTICS)
    still = model.still()
    if directions.is_file() and still is not None:
        found = read_directions(directions, still.latent_dims)
        model.known.directions = DirectionTable(found)
    if statistics.is_file():
        model.known.statistics = LatentStatistics.load(statistics)
