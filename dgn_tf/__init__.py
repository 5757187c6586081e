"""Deformable Generator Networks in TensorFlow 2 and Keras 3."""

import os
import sys
import warnings

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
