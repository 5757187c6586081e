"""Every learner is what the loop steps, and finiteness is that of every number it returns."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.config import ModelConfig, TrainingConfig
from dgn_tf.data.examples import Examples
from dgn_tf.models.discriminator import Discriminator
from dgn_tf.models.factory import make_model
from dgn_tf.training.adversarial import Adversarial
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.devices import Devices
from dgn_tf.training.distributed import Distributed
from dgn_tf.training.ema import Averaging
from dgn_tf.training.factory import make_learner
from dgn_tf.training.gradient_step import all_finite, apply_gradients
from dgn_tf.training.losses import LossTerms, loss_terms
from dgn_tf.training.variational import Variational
from dgn_tf.types import Learner

SMALL = {"appearance_dim": 2, "alpha": 0.1, "encoder_width": 0.1}


def made(model="abp", **learning):
    keras.utils.set_random_seed(0)
    examples = Examples(np.zeros((4, 32, 32, 1), np.uint8), np.arange(4), tuple("abcd"))
    network = make_model(ModelConfig(model=model, **SMALL), 32, 1)
    judge = Discriminator(32, 1, 0.1) if learning.get("adversarial") else None
    return make_learner(TrainingConfig(**learning), examples, network, discriminator=judge)


def test_every_learner_fulfills_the_contract_of_the_loop():
    plain = made()
    learners = {
        AlternatingBackprop: plain,
        Variational: made("vae"),
        Adversarial: made(adversarial=True),
        Averaging: Averaging(plain, 0.9),
        Distributed: Distributed(plain, Devices()),
    }
    for kind, learner in learners.items():
        assert type(learner) is kind
        assert isinstance(learner, Learner), kind
        assert isinstance(learner.state, dict), kind
    assert not isinstance(plain.model, Learner)


def test_a_learner_with_a_discriminator_must_be_handed_one():
    examples = Examples(np.zeros((4, 32, 32, 1), np.uint8), np.arange(4), tuple("abcd"))
    with pytest.raises(ValueError, match="`adversarial` needs a discriminator"):
        make_learner(TrainingConfig(adversarial=True), examples, made().model)


def test_the_total_of_the_loss_is_the_sum_of_its_terms():
    terms = LossTerms(*map(tf.constant, (8.0, 4.0, 1.5)))
    assert float(terms.total) == 5.5
    assert float(terms._replace(divergence=tf.constant(0.25)).total) == 5.75


def test_the_terms_of_the_loss_are_those_of_equation_8():
    model = made().model
    rng = np.random.default_rng(0)
    x = tf.constant(rng.uniform(-1, 1, (3, 32, 32, 1)), tf.float32)
    z = {"appearance": tf.constant(rng.standard_normal((3, 2)), tf.float32)}
    terms, parts = loss_terms(model, x, z, 0.5)
    difference = (x - model(z)).numpy() / 2  # on the [0, 1] scale
    msre = np.square(difference).sum((1, 2, 3)).mean()
    assert float(terms.msre) == pytest.approx(msre, rel=1e-5)
    assert float(terms.negative_log_likelihood) == pytest.approx(msre / (2 * 0.5**2), rel=1e-5)
    assert float(terms.regularization) == float(model.regularization(parts))
    np.testing.assert_array_equal(parts["appearance"], model.part("appearance", z["appearance"]))


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_one_number_that_is_not_finite_is_enough(broken):
    numbers = {"loss": tf.constant(3e38), "msre": tf.constant(3e38)}
    # Their sum would not be finite; they are.
    assert float(all_finite(numbers)) == 1.0
    assert float(all_finite({**numbers, "displacement": tf.constant(broken)})) == 0.0


def test_a_logged_number_that_is_not_finite_is_found():
    weight = keras.Variable([2.0])
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build([weight])
    for logged, finite in ((1.0, 1.0), (np.nan, 0.0)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(weight.value))
        numbers = {"displacement": tf.constant(logged)}
        metrics = apply_gradients(optimizer, tape, loss, [weight.value], {}, numbers)
        assert float(metrics["finite"]) == finite
