"""Deformable Generator Networks in TensorFlow 2 and Keras 3.

What a program needs is here, and imported at its first use; `import dgn_tf` alone imports neither
TensorFlow nor NumPy:

    import dgn_tf as dgn

    faces = dgn.load_images("photos", side=64, align="eyes")
    model = dgn.DeformableGenerator.from_preset("faces64")
    model.fit(faces)
    z = model.infer("ann.jpg")
    model.paint(model.edit(z, widen=2)).save("wide.png")
"""

import importlib
import os
import sys
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

from dgn_tf.utils.keras_classes import announce_classes
from dgn_tf.utils.quiet import quiet_imports

if TYPE_CHECKING:
    # For type checkers and editors; programs get them from `__getattr__`.
    from dgn_tf.api import show
    from dgn_tf.api.generators import DeformableGenerator, DynamicGenerator
    from dgn_tf.api.images import Images
    from dgn_tf.api.latents import Latents
    from dgn_tf.api.loading import Examples, load_clips, load_images
    from dgn_tf.api.saving import load
    from dgn_tf.api.settings import Langevin

# TensorFlow's own log is long and says nothing to most readers; set TF_CPP_MIN_LOG_LEVEL to 0 to
# read it.
quiet_imports()

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
# TensorBoard's hyperparameters are made with `tf.keras`, which this asks to be a package that
# nothing else here needs: where it is missing, all that is lost is an error.
if os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True") and not find_spec("tf_keras"):
    os.environ["TF_USE_LEGACY_KERAS"] = "0"

# The modules of the classes that files of Keras may name, which are imported when one does.
_CLASSES = {
    "dgn_tf.api.generators": ("ClipGenerator", "ImageGenerator"),
    "dgn_tf.models.autoencoder": ("EncodedGenerator", "Encoder"),
    "dgn_tf.models.baselines.abp": ("PlainGenerator",),
    "dgn_tf.models.baselines.integrated": ("IntegratedGeometricGenerator",),
    "dgn_tf.models.baselines.mocogan": ("ContentMotionGenerator",),
    "dgn_tf.models.clip_encoder": ("ClipEncoder",),
    "dgn_tf.models.deformable": ("DeformableGenerator",),
    "dgn_tf.models.discriminator": ("Discriminator", "MinibatchDeviation"),
    "dgn_tf.models.dynamic": ("DynamicDeformableGenerator", "TransitionNetwork"),
    "dgn_tf.models.generators": ("AppearanceGenerator", "GeometricGenerator"),
    "dgn_tf.models.refinement": ("Refinement",),
    "dgn_tf.ops.conv_transpose": ("Deconvolution",),
    "dgn_tf.training.schedules": ("RunSchedule",),
}
announce_classes({f"dgn_tf>{name}": module for module, names in _CLASSES.items() for name in names})

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
