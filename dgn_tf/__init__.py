"""Deformable Generator Networks in TensorFlow 2 and Keras 3.

What a program needs is here, and imported at its first use; `import dgn_tf` alone imports neither
TensorFlow nor NumPy:

    import dgn_tf as dgn

    faces = dgn.load_images("photos", side=64, align="eyes")
    model = dgn.DeformableGenerator.from_preset("faces64")
    model.fit(faces)
    z = model.infer("ann.jpg", align="eyes")
    model.paint(model.edit(z, widen=2)).save("wide.png")
"""

import importlib
import os
import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # For type checkers and editors; programs get them from `__getattr__`.
    from dgn_tf.api import show
    from dgn_tf.api.generators import DeformableGenerator, DynamicGenerator
    from dgn_tf.api.images import Images
    from dgn_tf.api.latents import Latents
    from dgn_tf.api.loading import Examples, load_clips, load_images
    from dgn_tf.api.saving import load
    from dgn_tf.api.settings import Langevin

# TensorFlow's own log is long and says nothing to most readers; set the variable to 0 to read it.
# It must be set before TensorFlow is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Keras takes its backend from the environment or keras.json when it is imported; the models are
# TensorFlow's.
if "keras" not in sys.modules:
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        warnings.warn(
            f"KERAS_BACKEND={os.environ['KERAS_BACKEND']} is replaced by tensorflow in this "
            "process: dgn_tf needs it.",
            stacklevel=2,
        )
    os.environ["KERAS_BACKEND"] = "tensorflow"

__version__ = "0.1.0"

# Where the names of the front door are made.
_PLACES = {
    "DeformableGenerator": "dgn_tf.api.generators",
    "DynamicGenerator": "dgn_tf.api.generators",
    "Examples": "dgn_tf.api.loading",
    "Images": "dgn_tf.api.images",
    "Langevin": "dgn_tf.api.settings",
    "Latents": "dgn_tf.api.latents",
    "load": "dgn_tf.api.saving",
    "load_clips": "dgn_tf.api.loading",
    "load_images": "dgn_tf.api.loading",
    "show": "dgn_tf.api",
}
__all__ = [
    "DeformableGenerator",
    "DynamicGenerator",
    "Examples",
    "Images",
    "Langevin",
    "Latents",
    "__version__",
    "load",
    "load_clips",
    "load_images",
    "show",
]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_PLACES[name])
    # The one name that is itself a module.
    value = importlib.import_module("dgn_tf.api.show") if name == "show" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
