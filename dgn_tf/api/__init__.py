"""The front door for Python programs: what `import dgn_tf` gives, by the names it has there."""

from dgn_tf.cli.quiet import quiet_imports

# A notebook should begin with images, not with what TensorFlow's libraries write.
quiet_imports()
