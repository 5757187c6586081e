"""A running average of a model's weights, which makes better images than the last ones."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from dgn_tf.types import LatentArrays, Learner, Tensor


class WeightAverage(tf.Module):
    """Exponential moving average of the weights of a model.

    Args:
        model: a built Keras model.
        decay: of the average at every step, at least 0 and below 1; (1 + t) / (10 + t) while that
            is less, so that the first weights are forgotten.
    """

    def __init__(self, model: keras.Model, decay: float = 0.999):
        super().__init__(name="average")
        self._model = [model]
        self.decay = decay
        self.count = tf.Variable(tf.zeros([], tf.int64), trainable=False)
        self.values = [tf.Variable(weight, trainable=False) for weight in model.weights]

    def update(self) -> None:
        """Takes in the weights as they are now."""
        count = tf.cast(self.count.assign_add(1), tf.float32)
        decay = tf.minimum(self.decay, (1.0 + count) / (10.0 + count))
        for value, weight in zip(self.values, self._model[0].weights, strict=True):
            # In this form a weight that does not change keeps its average to the last bit.
            value.assign_add((1.0 - decay) * (tf.convert_to_tensor(weight) - value))

    def copy_to(self, model: keras.Model) -> None:
        """Gives a model of the same layout the averaged weights."""
        model.set_weights([value.numpy() for value in self.values])


class Averaging(tf.Module):
    """A learner that averages the weights of its model as it learns.

    Args:
        learner: any learner of the loop.
        decay: as of `WeightAverage`.
    """

    def __init__(self, learner: Learner, decay: float):
        super().__init__(name="averaging")
        self.learner = learner
        self.average = WeightAverage(learner.model, decay)
        self.model = learner.model
        self.optimizer = learner.optimizer
        self.scale, self.offset = learner.scale, learner.offset

    def step(self, index: Tensor, ids: Tensor, x: Tensor) -> dict[str, Tensor]:
        """The learner's step, after which the average takes in the weights."""
        metrics = self.learner.step(index, ids, x)
        self.average.update()
        return metrics

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint holds beside model and optimizer."""
        return {**self.learner.state, "average": self.average}

    def latents(self, examples: Any) -> LatentArrays:
        """The learner's latents [N, d] of each group."""
        return self.learner.latents(examples)


@contextlib.contextmanager
def averaged_weights(learner: Learner) -> Iterator[None]:
    """In here the model has the weights that it is used with: averaged ones, if there are any."""
    if not isinstance(learner, Averaging):
        yield
        return
    last = learner.model.get_weights()
    learner.average.copy_to(learner.model)
    try:
        yield
    finally:
        learner.model.set_weights(last)
