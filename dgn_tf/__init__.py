"""Deformable Generator Networks in TensorFlow 2 and Keras 3."""

import os

# TensorFlow's own log is long and says nothing to most readers; set the variable to 0 to read it.
# It must be set before TensorFlow is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
