"""How much memory a learning step will take."""

import math

import keras
import tensorflow as tf

from dgn_tf.ops.layers import leaf_layers
from dgn_tf.types import ClipModel, EncodedModel, LatentModel, has_geometry

_MIB = 2**20
# Fitted to the growth of a process over its first steps on a CPU (side 32 to 256, 4 to 128
# images or frames in a batch, float32), which they predict within a factor of 1.4.
# The program of a step, traced and compiled; what the warp adds to it, each update of a latent
# group (they are unrolled), and a network that looks at images: a discriminator or an encoder.
_PROGRAM, _WARP_PROGRAM, _UPDATE_PROGRAM = 30 * _MIB, 63 * _MIB, 2.7 * _MIB
_LOOKING_PROGRAM = 85 * _MIB
# How often the layers' outputs of one pass are there at the peak: of generators and encoder, with
# the warp and the gradients; of a discriminator, whose step has three passes, one of them (R1)
# differentiated twice.
_PASSES, _DISCRIMINATOR_PASSES = 3.0, 2.9
# How often the parts of all classes are there while a class is drawn.
_TRIED_PASSES = 3.0
# Weights with the two moments of Adam; at the peak their gradients, and the copies in the layout
# that convolutions like best.
_KEPT_WEIGHTS, _PASSING_WEIGHTS = 3, 6


def step_memory(
    model: LatentModel,
    batch_size: int,
    *,
    frames: int = 1,
    examples: int = 0,
    langevin_steps: int = 0,
    discriminator: keras.Model | None = None,
    encoder: keras.Model | None = None,
) -> int:
    """Bytes that learning takes at its peak, beside TensorFlow itself and the images: an estimate.

    Weights, optimizer, the chains of all examples, and what the tapes of one step keep. Clips
    learned with `frames_per_chunk` keep the inner values of a chunk, and the parts and images of
    all frames.

    Args:
        model: the generator.
        batch_size: examples in a step.
        frames: of an example; 1 for images.
        examples: that have a chain; 0 for a model with an encoder.
        langevin_steps: before each learning step; 0 where nothing is inferred.
        discriminator: that judges the model's images, if there is one.
        encoder: that proposes latents, if there is one.
    """
    networks = list(model.networks.values())
    chunk = min((isinstance(model, ClipModel) and model.frames_per_chunk) or frames, frames)
    inner = sum(map(output_bytes, networks))
    # The last layer of each network makes what is kept of every frame.
    outer = sum(_bytes(leaf_layers(network)[-1].output) for network in networks)
    kept = _PASSES * batch_size * (chunk * inner + (frames - chunk) * outer)
    classes = [model.latent_dims[name] for name in model.class_groups]
    kept += _TRIED_PASSES * batch_size * outer * sum(classes)
    weights = sum(map(_weight_bytes, networks))
    program = _PROGRAM + _UPDATE_PROGRAM * langevin_steps * len(model.latent_dims)
    program += _WARP_PROGRAM * has_geometry(model)
    looking = discriminator is not None or encoder is not None or isinstance(model, EncodedModel)
    program += _LOOKING_PROGRAM * looking
    if encoder is not None:
        # Of the data, and of the images that the model paints.
        kept += _PASSES * batch_size * frames * output_bytes(encoder)
        weights += _weight_bytes(encoder)
    if discriminator is not None:
        kept += _DISCRIMINATOR_PASSES * batch_size * output_bytes(discriminator)
        weights += _weight_bytes(discriminator)
    chains = 4 * examples * sum(model.latent_dims.values())
    return round(program + kept + (_KEPT_WEIGHTS + _PASSING_WEIGHTS) * weights + chains)


def output_bytes(network: keras.Model) -> int:
    """Bytes of all layers' outputs for one example; of sequences, for one element."""
    return sum(_bytes(layer.output) for layer in leaf_layers(network))


def _bytes(output) -> int:
    return math.prod(size or 1 for size in output.shape[1:]) * tf.as_dtype(output.dtype).size


def _weight_bytes(network: keras.Model) -> int:
    return sum(math.prod(weight.shape) for weight in network.weights) * 4
