"""The warp and one training step against stored numbers, in a few seconds.

Prints JSON for dgn_tf.doctor: "gpus", the GPUs that TensorFlow sees, and "deviations", in words
which numbers are not as they should be.
"""

import json

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.ops.warp import warp
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains

SIDE, COUNT = 32, 4
# From a CPU. Convolutions on GPUs round to 10 bits, which changes the third digit.
WANTED = {
    "warp": -73.47424,
    "loss": 136.48993,
    "msre": 272.97986,
    "gradient_norm": 83.54805,
    "appearance_std": 1.034775,
    "geometry_std": 0.98418,
    "displacement": 9.395267,
}
TOLERANCE = 0.01


def self_test() -> dict[str, float]:
    """The numbers that the warp and a training step give here, by name, to compare with `WANTED`.

    Nothing is random but the noise of the Langevin step, which is the program's own hash.
    """
    step = _learner().step
    images = _waves(COUNT * SIDE * SIDE).reshape(COUNT, SIDE, SIDE, 1)
    ids = tf.range(COUNT, dtype=tf.int64)
    row, batch = tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, *images.shape[1:]])
    compiled = tf.function(step, input_signature=[row, row, batch], autograph=False)
    metrics = compiled(ids, ids, tf.constant(images))
    names = ("loss", "msre", "gradient_norm", "appearance_std", "geometry_std", "displacement")
    return {"warp": _warped()} | {name: float(metrics[name]) for name in names}


def deviations(found: dict[str, float]) -> list[str]:
    """In words, which of the numbers are not as they should be."""
    return [
        f"{name} is {found.get(name)}, not {wanted:.6g}"
        for name, wanted in WANTED.items()
        if not abs(found.get(name, np.nan) - wanted) <= TOLERANCE * abs(wanted)
    ]


def _waves(count: int) -> np.ndarray:
    """Float32 [count] in [-1, 1], the same on every machine, without a period."""
    return np.sin(0.7 * np.arange(count) + 0.001 * np.arange(count) ** 1.5).astype(np.float32)


def _warped() -> float:
    """A sum over a warped image that every pixel and every displacement changes."""
    image = _waves(9 * 11).reshape(1, 9, 11, 1)
    field = 3.0 * _waves(2 * 9 * 11).reshape(1, 9, 11, 2)
    return float(
        tf.reduce_sum(
            warp(tf.constant(image), tf.constant(field)) * np.arange(99).reshape(1, 9, 11, 1)
        )
    )


def _learner() -> AlternatingBackprop:
    model = DeformableGenerator(
        AppearanceGenerator(3, SIDE, 1, width=0.2), GeometricGenerator(2, SIDE)
    )
    for number, weight in enumerate(model.weights):
        fan_in = max(1, np.prod(weight.shape[:-1]))
        values = _waves(number + np.prod(weight.shape))[number:]
        weight.assign(values.reshape(weight.shape) / np.sqrt(fan_in))
    chains = Chains(np.arange(COUNT), model.latent_dims, seed=0)
    return AlternatingBackprop(
        model, chains, keras.optimizers.Adam(1e-3), total_steps=10, langevin_steps=2
    )


def main() -> None:
    """Print the JSON."""
    gpus = [device.name for device in tf.config.list_physical_devices("GPU")]
    print(json.dumps({"gpus": gpus, "deviations": deviations(self_test())}))


if __name__ == "__main__":
    main()
