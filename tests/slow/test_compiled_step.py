"""XLA takes the whole step of every learner, and what it makes of it is the same step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.config import CLIP_MODELS, Config, DataConfig, ModelConfig, TrainingConfig
from dgn_tf.data.examples import Examples
from dgn_tf.models.discriminator import Discriminator
from dgn_tf.models.factory import make_encoder, make_model
from dgn_tf.training.ema import Averaging
from dgn_tf.training.factory import make_learner

pytestmark = pytest.mark.slow

COUNT, SIDE, FRAMES = 4, 32, 3
SMALL = {"appearance_dim": 3, "geometry_dim": 2, "alpha": 0.1, "width": 0.05, "encoder_width": 0.1}
STEP = {"langevin_steps": 1, "batch_size": COUNT, "epochs": 5, "sigma": "0.5"}


def learner(seed=0, ema=0.0, learning=None, **model):
    """A learner of `COUNT` random images or clips, with the arguments of one step of it."""
    kind = model.get("model", "deformable")
    frames = FRAMES if kind in CLIP_MODELS else 0
    shape = (COUNT, FRAMES, SIDE, SIDE, 3) if frames else (COUNT, SIDE, SIDE, 3)
    config = Config(
        DataConfig(side=SIDE, frames=frames),
        ModelConfig(**{**SMALL, **model}),
        TrainingConfig(**{**STEP, **(learning or {})}),
    )
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    examples = Examples(pixels, np.arange(10, 10 + COUNT), tuple("abcd"))
    keras.utils.set_random_seed(seed)
    network = make_model(config.model, SIDE, 3, frames)
    judge = None
    if config.learning.adversarial:
        deviation = config.learning.minibatch_deviation
        judge = Discriminator(SIDE, 3, 1.0, deviation, dtype=config.model.precision)
    encoder = None
    if config.learning.proposals != "none":
        encoder = make_encoder(config.model, network, SIDE, 3)
    made = make_learner(
        config.learning,
        examples,
        network,
        {},
        config.model.precision,
        discriminator=judge,
        encoder=encoder,
    )
    if ema:
        made = Averaging(made, ema)
    return made, (np.arange(COUNT), examples.ids, np.float32(pixels / 127.5 - 1))


def compiled(made, data, jit=True):
    """The step for batches of any size, as the loop has it."""
    signature = [tf.TensorSpec([None, *np.shape(part)[1:]], part.dtype) for part in data]
    return tf.function(made.step, input_signature=signature, jit_compile=jit)


SETTINGS = [
    {"model": "deformable_vae", "ema": 0.9},
    {"model": "dynamic", "frames_per_chunk": 2, "learning": {"proposals": "encoder"}},
    {"learning": {"proposals": "metropolis", "dreams": True, "decorrelation": 0.5}},
    {"model": "abp", "precision": "mixed_float16", "learning": {"proposals": "encoder"}},
    {"model": "mocogan", "learning": {"noise": False, "simultaneous": True}},
    {"appearance": "categorical", "refinement": 0.1, "smoothing": 0.05},
    {"model": "abp", "learning": {"adversarial": True, "r1_every": 2, "minibatch_deviation": True}},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_xla_takes_the_step_of_every_learner(settings):
    made, data = learner(**settings)
    step = compiled(made, data)
    assert "ENTRY" in step.experimental_get_compiler_ir(*data)(stage="hlo")


def test_what_xla_compiles_is_the_same_step():
    fast, data = learner()
    plain, _ = learner()
    fast_step, plain_step = compiled(fast, data), compiled(plain, data, jit=False)
    # A partial batch is compiled anew.
    for batch in (data, tuple(part[:3] for part in data)):
        numbers = fast_step(*batch)
        for name, value in plain_step(*batch).items():
            np.testing.assert_allclose(numbers[name], value, rtol=1e-3, atol=1e-4, err_msg=name)
    for name, states in plain.chains.groups.items():
        np.testing.assert_allclose(fast.chains.groups[name], states, atol=1e-4)
    for mine, other in zip(fast.model.weights, plain.model.weights, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4, err_msg=other.path)
