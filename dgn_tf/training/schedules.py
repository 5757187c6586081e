"""Settings that change during a run, at fractions of it."""

from typing import Any

import keras
import tensorflow as tf

from dgn_tf.config.fields import parse_schedule
from dgn_tf.types import Tensor


def no_offset() -> tf.Variable:
    """What a learner adds to its steps: nothing, until the loop says otherwise."""
    return tf.Variable(tf.zeros([], tf.int64), trainable=False)


@keras.saving.register_keras_serializable(package="dgn_tf")
class RunSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A value that is constant between fractions of a run.

    Args:
        text: a number, or pairs of a fraction of the run and the value from there on, such as
            "0:1e-3,0.5:1e-4" (`dgn_tf.config.fields.parse_schedule`).
        total_steps: learning steps of the whole run.
        scale: tf.Variable or number that multiplies the value, so that a run can be slowed down.
        offset: tf.Variable or number that is added to the step, where the steps of a run have
            become longer or shorter on the way.

    Raises:
        ValueError: the text cannot be read.
    """

    def __init__(
        self,
        text: str,
        total_steps: int,
        scale: tf.Variable | float = 1.0,
        offset: tf.Variable | int = 0,
    ):
        self.text = text
        self.total_steps = total_steps
        self.scale = scale
        self.offset = offset
        self._steps = parse_schedule(text)

    def __call__(self, step: Tensor) -> Tensor:
        """The value at learning step `step` (0 is the first), a float32 scalar."""
        starts = [round(fraction * self.total_steps) for fraction, _ in self._steps]
        values = tf.constant([value for _, value in self._steps], tf.float32)
        place = tf.cast(step, tf.int64) + tf.cast(self.offset, tf.int64)
        reached = tf.reduce_sum(tf.cast(place >= starts, tf.int32))
        return values[reached - 1] * self.scale

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this schedule again, at scale 1 and offset 0."""
        return {"text": self.text, "total_steps": self.total_steps}
