"""What dgn_tf.export can write."""

FORMATS = ("saved_model", "tflite", "web")
# Of .tflite files.
QUANTIZATIONS = ("float32", "float16", "dynamic", "int8")
# A part of a model, and what it makes.
OUTPUTS = {"geometry": "displacement", "appearance": "canonical", "generator": "image"}
ENCODER = "encoder"
PARTS = (*OUTPUTS, ENCODER)
