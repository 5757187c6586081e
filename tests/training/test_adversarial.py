"""Adversarial learning (Eq. 22): R1 in closed form, and what each step changes."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf import train
from dgn_tf.cli.flags import config_from_preset
from dgn_tf.config import Config, ModelConfig, TrainingConfig
from dgn_tf.inference.noise import example_normal
from dgn_tf.models.discriminator import Discriminator, MinibatchDeviation
from dgn_tf.models.factory import make_model
from dgn_tf.runs.restoring import load_chains, load_run
from dgn_tf.training.adversarial import Adversarial
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.training.ema import WeightAverage
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.callback import SampleSheets

COUNT = 4
SETTINGS = ModelConfig(model="abp", appearance_dim=2, alpha=0.1, appearance_scheme=2)


class Linear(keras.Model):
    """D(x) = w x + b."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.dense.build((None, 32 * 32))
        self.built = True

    def call(self, x):
        return self.dense(tf.reshape(x, [-1, 32 * 32]))[:, 0]


def learner(discriminator=None, rate=0.1, **settings):
    keras.utils.set_random_seed(0)
    model = make_model(SETTINGS, 32, 1)
    likelihood = AlternatingBackprop(
        model,
        Chains(np.arange(COUNT), model.latent_dims, 0),
        keras.optimizers.SGD(rate),
        total_steps=10,
        langevin_steps=2,
    )
    discriminator = discriminator or Discriminator(32, 1, width=0.1)
    return Adversarial(likelihood, discriminator, keras.optimizers.SGD(rate), **settings)


def data(seed=0):
    rng = np.random.default_rng(seed)
    x = tf.constant(rng.uniform(-1, 1, (COUNT, 32, 32, 1)), tf.float32)
    return tf.range(COUNT), tf.range(COUNT, dtype=tf.int64), x


def weights(model):
    return [weight.numpy() for weight in model.weights]


def same(before, after):
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_r1_of_a_linear_discriminator_is_the_square_of_its_weights():
    made = learner(Linear())
    kernel = made.discriminator.dense.kernel.numpy()
    assert float(made.r1(data()[2])) == pytest.approx(np.square(kernel).sum(), rel=1e-5)


def test_a_step_on_a_linear_discriminator_by_hand():
    made = learner(Linear(), r1_weight=3.0)
    x, fake = data()[2], data(1)[2]
    kernel, bias = weights(made.discriminator)
    flat, other = (np.reshape(v, (COUNT, -1)).astype(np.float64) for v in (x, fake))

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    doubt, belief = sigmoid(-(flat @ kernel + bias)), sigmoid(other @ kernel + bias)
    slope = (-doubt * flat + belief * other).mean(0)[:, None] + 3.0 * kernel
    judged = made.discriminator_step(x, fake)
    np.testing.assert_allclose(made.discriminator.dense.kernel, kernel - 0.1 * slope, atol=1e-5)
    expected = (-np.log(1 - doubt) - np.log(1 - belief)).mean()
    assert float(judged["discriminator_loss"]) == pytest.approx(expected, rel=1e-4)
    right = np.mean([doubt < 0.5, belief < 0.5])
    assert float(judged["accuracy"]) == pytest.approx(right)


def test_lazy_r1_comes_at_every_nth_step_n_times_as_strong():
    made = learner(Linear(), rate=1e-6, r1_weight=2.0, r1_every=3)
    x, fake = data()[2], data(1)[2]
    penalties = [float(made.discriminator_step(x, fake)["r1"]) for _ in range(6)]
    assert [penalty > 0 for penalty in penalties] == [True, False, False] * 2
    often, seldom = learner(Linear(), r1_weight=2.0), learner(Linear(), r1_weight=2.0, r1_every=3)
    kernel = often.discriminator.dense.kernel.numpy()
    seldom.discriminator.set_weights(often.discriminator.get_weights())
    for each in (often, seldom):
        each.discriminator_step(x, fake)
    pulled = often.discriminator.dense.kernel - seldom.discriminator.dense.kernel
    np.testing.assert_allclose(pulled, 0.1 * 2 * 2.0 * kernel, atol=1e-5)


def test_each_network_is_moved_by_its_own_loss_and_once():
    made = learner()
    index, ids, x = data()
    before = weights(made.model), weights(made.discriminator)
    made.discriminator_step(x, data(1)[2])
    assert same(before[0], weights(made.model)) and not same(before[1], weights(made.discriminator))
    judged = weights(made.discriminator)
    made.generator_step(x, made.chains.read(index), made.prior(ids), 1.0)
    assert same(judged, weights(made.discriminator)) and not same(before[0], weights(made.model))
    made = learner()
    metrics = made.step(index, ids, x)
    assert int(made.optimizer.iterations) == int(made.discriminator_optimizer.iterations) == 1
    assert float(metrics["finite"]) == 1.0 and set(metrics) >= {"msre", "r1", "generator_loss"}
    assert not same(before[0], weights(made.model))


def test_the_likelihood_weight_changes_the_generators_alone():
    index, ids, x = data()
    found = []
    for weight in (0.001, 0.5):
        made = learner(likelihood_weight=weight)
        made.step(index, ids, x)
        found.append(
            (
                weights(made.discriminator),
                made.chains.groups["appearance"].numpy(),
                weights(made.model),
            )
        )
    (judge, chains, model), (other_judge, other_chains, other_model) = found
    assert same(judge, other_judge) and np.array_equal(chains, other_chains)
    assert not same(model, other_model)


def test_before_the_warmup_ends_the_generators_learn_as_without_a_discriminator():
    index, ids, x = data()
    made, plain = learner(likelihood_weight=1.0, warmup=1), learner().likelihood
    made.step(index, ids, x)
    plain.step(index, ids, x)
    for mine, theirs in zip(weights(made.model), weights(plain.model), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    np.testing.assert_allclose(
        made.chains.groups["appearance"], plain.chains.groups["appearance"], atol=1e-6
    )
    made.step(index, ids, x)
    plain.step(index, ids, x)
    assert not all(
        np.allclose(a, b, atol=1e-6)
        for a, b in zip(weights(made.model), weights(plain.model), strict=True)
    )


def test_by_the_discriminator_alone_nothing_is_inferred():
    made = learner(likelihood_weight=0.0)
    start = made.chains.groups["appearance"].numpy()
    before = weights(made.model)
    metrics = made.step(*data())
    assert "msre" not in metrics and not same(before, weights(made.model))
    np.testing.assert_array_equal(made.chains.groups["appearance"], start)


def test_the_generators_learn_what_the_discriminator_takes_for_data():
    made = learner(Linear(), likelihood_weight=0.0)
    index, ids, x = data()
    prior = made.prior(ids)
    kernel = made.discriminator.dense.kernel.numpy()

    def belief():
        return float(tf.reduce_mean(made.discriminator(made.model(prior))))

    before = belief()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.math.log1p(tf.exp(-made.discriminator(made.model(prior)))))
    slopes = tape.gradient(loss, made.model.trainable_variables)
    expected = [v - 0.1 * g for v, g in zip(made.model.trainable_variables, slopes, strict=True)]
    made.generator_step(x, made.chains.read(index), prior, 1.0)
    for weight, wanted in zip(made.model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(weight, wanted, atol=1e-6)
    assert belief() > before and np.array_equal(kernel, made.discriminator.dense.kernel)


def test_what_is_judged_is_drawn_from_the_prior_and_not_from_the_noise():
    made = learner()
    ids = tf.range(4000, dtype=tf.int64)
    z = made.prior(ids)["appearance"].numpy()
    assert z.shape == (4000, 2)
    assert np.abs(z.mean(axis=0)).max() < 0.06 and np.abs(z.std(axis=0) - 1).max() < 0.05
    noise = example_normal(made.likelihood.seed, 1, ids, 0, 1, 2)[0].numpy()
    assert abs(np.corrcoef(z[:, 0], noise[:, 0])[0, 1]) < 0.06


def test_the_discriminator_is_of_residual_blocks():
    made = Discriminator(64, 3, width=0.5)
    filters = [8, 16, 32, 64, 128]

    def convolution(kernel, inputs, outputs, bias=True):
        return kernel**2 * inputs * outputs + bias * outputs

    expected = convolution(1, 3, 8) + convolution(3, 128, 128) + 4 * 4 * 128 + 1
    for inputs, outputs in zip(filters, filters[1:], strict=False):
        expected += convolution(3, inputs, inputs) + convolution(3, inputs, outputs)
        expected += convolution(1, inputs, outputs, bias=False)
    assert made.count_params() == expected
    assert made(tf.zeros([5, 64, 64, 3])).shape == (5,)
    with pytest.raises(ValueError, match="side must be one of"):
        Discriminator(48)


def test_the_discriminator_can_see_how_much_a_batch_varies():
    x = np.random.default_rng(0).standard_normal((3, 4, 4, 2)).astype(np.float32)
    seen = MinibatchDeviation()(x).numpy()
    np.testing.assert_array_equal(seen[..., :2], x)
    np.testing.assert_allclose(seen[..., 2], x.std(axis=0).mean(), rtol=1e-5)
    plain, seeing = (Discriminator(32, 1, 0.1, minibatch_deviation=m) for m in (False, True))
    assert seeing.count_params() > plain.count_params()


def test_the_average_of_what_does_not_change_is_the_same_to_the_last_bit():
    keras.utils.set_random_seed(1)
    model = make_model(SETTINGS, 32, 1)
    average, start = WeightAverage(model), weights(model)
    for _ in range(3):
        average.update()
    assert same(start, [value.numpy() for value in average.values])


def test_the_average_forgets_its_start_and_follows():
    model = make_model(SETTINGS, 32, 1)
    average, expected = WeightAverage(model, decay=0.5), None
    for step in range(1, 5):
        for weight in model.weights:
            weight.assign(tf.fill(weight.shape, float(step)))
        decay = min(0.5, (1 + step) / (10 + step))
        start = average.values[0].numpy().flat[0] if expected is None else expected
        expected = decay * start + (1 - decay) * step
        average.update()
        assert average.values[0].numpy().flat[0] == pytest.approx(expected, rel=1e-5)
    other = make_model(SETTINGS, 32, 1)
    average.copy_to(other)
    assert other.weights[0].numpy().flat[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weight", [pytest.param("0.01", marks=pytest.mark.slow), "0"])
def test_an_adversarial_run_goes_on_exactly_and_gives_its_average(
    weight, run_app, tensors, tmp_path
):
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=images)
    command = (
        f"--data=npz:{tmp_path}/data.npz",
        "--model=abp",
        "--side=32",
        "--channels=1",
        "--appearance_dim=2",
        "--alpha=0.1",
        "--appearance_scheme=2",
        "--batch_size=4",
        "--langevin_steps=1",
        "--epochs=2",
        "--checkpoint_epochs=1",
        "--adversarial",
        "--ema=0.9",
        "--discriminator_width=0.1",
        "--minibatch_deviation",
        f"--likelihood_weight={weight}",
    )
    said = run_app(train, *command, f"--run_dir={tmp_path}/run")
    assert said.status == 0, said.err
    once = tensors(tmp_path / "run")
    if weight != "0":
        shutil.copytree(tmp_path / "run", tmp_path / "again")
        shutil.rmtree(Checkpoints(tmp_path / "again/checkpoints").paths()[-1])
        assert run_app(train, *command, f"--run_dir={tmp_path}/again").status == 0
        twice = tensors(tmp_path / "again")
        assert all(once[name].tobytes() == twice[name].tobytes() for name in once)
    # A variable is stored once, here under its optimizer.
    assert any(name.startswith("discriminator_optimizer/_trainable") for name in once)
    _, model = load_run(tmp_path / "run")
    exported = keras.models.load_model(tmp_path / "run/model.keras")
    assert same(weights(model), weights(exported))
    last = once["average/values/0/.ATTRIBUTES/VARIABLE_VALUE"]
    np.testing.assert_array_equal(model.weights[0], last)
    # Chains that nothing has moved are no latents.
    assert (load_chains(tmp_path / "run") is None) == (weight == "0")
    row = json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[-1])
    assert ("msre" in row) == (weight != "0") and row["generator_loss"] > 0


def test_settings_that_do_not_go_with_a_discriminator_are_refused():
    for model in (ModelConfig(model="vae"), ModelConfig(model="deforming_autoencoder")):
        with pytest.raises(InputError, match="`adversarial` is for `model=deformable or abp`"):
            Config(model=model, learning=TrainingConfig(adversarial=True))
    with pytest.raises(InputError, match="`adversarial` needs `appearance=continuous`"):
        Config(model=ModelConfig(appearance="label"), learning=TrainingConfig(adversarial=True))
    with pytest.raises(InputError, match="`r1_every` belongs to `adversarial`"):
        Config(learning=TrainingConfig(r1_every=2))
    for name, value in (("ema", 1.0), ("r1_every", 0), ("warmup", -0.1), ("r1_weight", -1.0)):
        with pytest.raises(InputError, match=f"`{name}={value}`"):
            TrainingConfig(**{name: value})


@pytest.mark.slow
def test_the_flagfile_of_large_faces_trains(run_app, monkeypatch, tmp_path):
    # Its sheets, of hundreds of images, would take longer than all else.
    monkeypatch.setattr(SampleSheets, "write", lambda *_: None)
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    np.savez(tmp_path / "faces.npz", images=images)
    assert config_from_preset("ffhq256").data.side == 256
    # Networks for 256 pixels are of the tests of networks.
    said = run_app(
        train,
        "--preset=ffhq256",
        "--side=64",
        f"--data=npz:{tmp_path}/faces.npz",
        "--limit=0",
        "--batch_size=2",
        "--epochs=1",
        "--langevin_steps=1",
        "--alpha=0.05",
        "--discriminator_width=0.05",
        f"--run_dir={tmp_path}/run",
    )
    assert said.status == 0, said.err
    (line,) = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    numbers = json.loads(line)
    assert all(np.isfinite(value) for value in numbers.values()) and numbers["r1"] > 0
    config, _ = load_run(tmp_path / "run")
    assert config.data.side == 64 and config.learning.likelihood_weight == 0.001
