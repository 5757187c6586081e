"""The user's keras.json, looked at before Keras reads it: what is wrong in it ends its import."""

import json
import os
from pathlib import Path

from dgn_tf.utils.errors import InputError
from dgn_tf.utils.reading import read_text

# What Keras takes for each setting that it reads at once.
_CHOICES = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}


def require_readable_settings() -> None:
    """Check the settings of Keras before it is imported.

    Raises:
        InputError: its keras.json would end the import.
    """
    path = _path()
    if wrong := _wrong(path):
        raise InputError(
            f"{path}, the settings of Keras, {wrong}: correct it, or remove it and Keras takes its "
            "defaults."
        )


def _path() -> Path:
    """Where Keras looks for its settings."""
    # The package imports this file, and what takes longer only with Keras.
    from dgn_tf.utils.files import user_path

    if "KERAS_HOME" in os.environ:
        return user_path(os.environ["KERAS_HOME"]) / "keras.json"
    home = user_path("~")
    return (home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras" / "keras.json"


def _wrong(path: Path) -> str:
    """What is wrong with the file, as the rest of a sentence; empty where Keras can read it."""
    if not os.path.exists(path):
        return ""
    try:
        found = json.loads(read_text(path))
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except ValueError:
        # Keras passes over what is no JSON.
        return ""
    if not isinstance(found, dict):
        return "holds no JSON object {...}"
    for name, choices in _CHOICES.items():
        if name in found and found[name] not in choices:
            return f"has {name}={json.dumps(found[name])}, not one of {', '.join(choices)}"
    if not isinstance(found.get("epsilon", 0.0), float):
        return f"has epsilon={json.dumps(found['epsilon'])}, not a number with a point, as 1e-07"
    return ""
