"""Chains that go on at a guess: which do, what the encoder learns, and exact resume."""

import json
import shutil

import keras
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from linear_model import LinearModel

from dgn_tf import infer, train
from dgn_tf.config import Config, DataConfig, ModelConfig, TrainingConfig
from dgn_tf.data.examples import Examples
from dgn_tf.models.factory import make_encoder, make_model
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.training.factory import make_learner
from dgn_tf.training.proposals import EncoderProposals
from dgn_tf.utils.errors import InputError

SHIFTED = {"appearance": [[1.0], [0.0], [0.0]], "geometry": [[0.0], [2.0], [0.0]]}


class Sum(keras.Model):
    """x = z_a + z_g, a number each."""

    given_groups = class_groups = ()
    latent_dims = {"appearance": 1, "geometry": 1}

    def part(self, name, z):
        return z

    def combine(self, parts):
        return parts["appearance"] + parts["geometry"]


class Fixed(keras.Model):
    """Always the same guess."""

    def __init__(self, guess):
        super().__init__()
        self.guess = {name: tf.constant(z, tf.float32) for name, z in guess.items()}

    def call(self, x):
        return {name: (z, None) for name, z in self.guess.items()}


def restart(guess, z, x, moving=(True, True)):
    proposals = EncoderProposals(Sum(), Fixed(guess), keras.optimizers.SGD())
    chains = {name: tf.constant(value, tf.float32) for name, value in z.items()}
    free = {name: tf.constant(each) for name, each in zip(chains, moving, strict=True)}
    ids = tf.range(len(x), dtype=tf.int64)
    x = tf.constant(x, tf.float32)
    found, share = proposals.restart(x, chains, tf.constant(0.5), free, ids)
    return {name: value.numpy().tolist() for name, value in found.items()}, float(share)


def test_a_chain_goes_on_where_the_energy_is_lower():
    zero = {"appearance": [[0.0]] * 3, "geometry": [[0.0]] * 3}
    # Energies are (x - z_a - z_g)^2 / 4 / (2 0.25) + |z|^2 / 2: at x = 1, 1/2 from either place.
    found, share = restart(SHIFTED, zero, [[3.0], [4.0], [0.5]])
    assert found == {"appearance": [[1.0], [0.0], [0.0]], "geometry": [[0.0], [2.0], [0.0]]}
    assert share == pytest.approx(2 / 3)
    found, share = restart(SHIFTED, zero, [[0.9], [1.9], [0.0]])
    assert found == zero and share == 0.0


def test_a_group_that_does_not_move_stays():
    zero = {"appearance": [[0.0]] * 3, "geometry": [[0.0]] * 3}
    found, share = restart(SHIFTED, zero, [[3.0], [4.0], [0.5]], moving=(False, True))
    assert found["appearance"] == zero["appearance"] and found["geometry"][1] == [2.0]
    assert share == pytest.approx(1 / 3)


def test_a_guess_that_is_not_finite_is_never_taken():
    zero = {"appearance": [[0.0]], "geometry": [[0.0]]}
    for value in (np.nan, np.inf):
        guess = {"appearance": [[value]], "geometry": [[0.0]]}
        assert restart(guess, zero, [[3.0]]) == (zero, 0.0)


class LinearEncoder(keras.Model):
    """z = x V."""

    def __init__(self, pixels, dim):
        super().__init__()
        self.layer = keras.layers.Dense(dim, use_bias=False)
        self.layer.build((None, pixels))

    def call(self, x):
        return {"appearance": (self.layer(x), None)}


@pytest.mark.parametrize("dreams", [False, True])
def test_the_subspace_is_that_of_principal_components_and_the_encoder_inverts_it(dreams):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(20, 3)))[0]
    data = rng.normal(size=(300, 3)) * [2.0, 1.5, 1.0] @ basis.T + 0.3 * rng.normal(size=(300, 20))
    model, encoder = LinearModel(20, 3), LinearEncoder(20, 3)
    learner = AlternatingBackprop(
        model,
        Chains(np.arange(300), model.latent_dims, seed=0, zero=True),
        keras.optimizers.Adam(0.02),
        total_steps=300,
        langevin_steps=2,
        step_size="0.15",
        sigma="0.15",
        proposals=EncoderProposals(model, encoder, keras.optimizers.Adam(0.02), dreams),
    )
    step = tf.function(learner.step)
    index, x = tf.range(300), tf.constant(data - data.mean(0), tf.float32)
    metrics = [step(index, tf.cast(index, tf.int64), x) for _ in range(300)]
    assert all(each["finite"] == 1 for each in metrics)
    components = np.linalg.svd(data - data.mean(0), full_matrices=False)[2][:3].T
    angles = scipy.linalg.subspace_angles(model.layer.kernel.numpy().T, components)
    assert np.degrees(angles.max()) < 4
    # The posterior mean of a linear Gaussian model is a linear map of x, which the encoder learns.
    z, guess = learner.chains.groups["appearance"].numpy(), encoder(x)["appearance"][0].numpy()
    assert np.corrcoef(z.ravel(), guess.ravel())[0, 1] > 0.98
    assert metrics[-1]["proposal_error"] < 0.05 * np.square(z).mean()


def test_the_encoder_guesses_what_is_neither_given_nor_a_class():
    for kind, groups in (
        ("continuous", {"appearance": 3, "geometry": 2}),
        ("label", {"geometry": 2}),
    ):
        settings = ModelConfig(appearance_dim=3, geometry_dim=2, alpha=0.1, appearance=kind)
        model = make_model(settings, 32, 1)
        assert make_encoder(settings, model, 32, 1).settings["latent_dims"] == groups


def test_chains_start_at_zero_but_classes_do_not():
    chains = Chains(
        np.arange(5), {"appearance": 3, "geometry": 2}, 0, None, ("appearance",), zero=True
    )
    assert not chains.groups["geometry"].numpy().any()
    assert (chains.groups["appearance"].numpy().sum(axis=1) == 1).all()


def test_settings_that_do_not_go_together_are_refused():
    with pytest.raises(InputError, match="`dreams` belongs to `proposals`"):
        Config(learning=TrainingConfig(dreams=True))
    with pytest.raises(InputError, match="`proposals=encoder` is for models whose latents"):
        Config(model=ModelConfig(model="vae"), learning=TrainingConfig(proposals="encoder"))
    for name, value in (("proposals", "encoder"), ("decorrelation", 0.5)):
        learning = TrainingConfig(adversarial=True, likelihood_weight=0.0, **{name: value})
        with pytest.raises(InputError, match=f"`{name}.*`likelihood_weight=0` infers no latents"):
            Config(learning=learning)
    with pytest.raises(InputError, match="`width` is of Table V"):
        Config(DataConfig(frames=4), ModelConfig(model="dynamic", emission="IV", width=0.5))
    with pytest.raises(InputError, match="`encoder_rate`: '-1'"):
        TrainingConfig(encoder_rate="-1")


def test_a_learner_with_proposals_must_be_handed_an_encoder():
    examples = Examples(np.zeros((4, 32, 32, 1), np.uint8), np.arange(4), tuple("abcd"))
    settings = ModelConfig(model="abp", appearance_dim=2, alpha=0.1)
    with pytest.raises(ValueError, match="`proposals` needs an encoder"):
        make_learner(TrainingConfig(proposals="encoder"), examples, make_model(settings, 32, 1))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("proposals")
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32), dtype=np.uint8)
    np.savez(root / "data.npz", images=images)
    return root / "data.npz"


def flags(data, folder, *more):
    return (
        f"--data=npz:{data}",
        "--side=32",
        "--channels=1",
        "--model=abp",
        "--appearance_dim=2",
        "--alpha=0.1",
        "--encoder_width=0.1",
        "--batch_size=4",
        "--langevin_steps=1",
        "--sigma=1",
        "--checkpoint_epochs=1",
        "--picture_epochs=1000",
        "--proposals=encoder",
        "--chain_start=zero",
        f"--run_dir={folder}",
        *more,
    )


def rows(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) | {"images_per_second": None} for line in lines]


@pytest.mark.parametrize(
    "more",
    [
        ("--dreams", "--model=deformable", "--geometry_dim=2", "--decorrelation=0.5"),
        ("--proposals=metropolis",),
    ],
    ids=["encoder", "metropolis"],
)
def test_a_run_goes_on_exactly_and_keeps_the_encoder(data, run_app, tmp_path, more):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    said = run_app(train, *flags(data, whole, "--epochs=2", *more))
    assert said.status == 0, said.err
    # The other goes on from the checkpoint of its first epoch.
    shutil.copytree(whole, parts)
    shutil.rmtree(Checkpoints(parts / "checkpoints").paths()[-1])
    for name in ("encoder.keras", "metrics.jsonl"):
        (parts / name).unlink()
    said = run_app(train, *flags(data, parts, "--epochs=2", *more))
    assert said.status == 0, said.err
    assert rows(whole)[1:] == rows(parts)
    assert {"restarted", "proposal_error"} <= rows(whole)[-1].keys()
    encoders = [keras.models.load_model(run / "encoder.keras") for run in (whole, parts)]
    for one, other in zip(*(each.get_weights() for each in encoders), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def learned(data, run_app, tmp_path_factory):
    """The folder of a run of one epoch."""
    run = tmp_path_factory.mktemp("learned") / "run"
    assert run_app(train, *flags(data, run, "--epochs=1")).status == 0
    return run


def test_inference_begins_at_the_guess_of_the_encoder_that_learned_beside_the_model(
    data, learned, run_app, tmp_path
):
    run = tmp_path / "run"
    shutil.copytree(learned, run)

    def inferred(name, *more):
        command = (f"--run_dir={run}", f"--data=npz:{data}", f"--output_dir={tmp_path}/{name}")
        said = run_app(infer, *command, *more)
        assert said.status == 0, said.err
        report = json.loads((tmp_path / name / "report.json").read_text())
        z = np.load(tmp_path / name / "latents.npz")["z_appearance"]
        return z, [report[name] for name in ("amortised", "steps", "starts")]

    guessed, settings = inferred("guess")
    assert settings == [True, 100, 1]
    from_zero, settings = inferred("zero", "--noamortised", "--steps=100", "--starts=1")
    assert settings == [False, 100, 1]
    assert np.abs(guessed - from_zero).max() > 1e-3
    # A run that is not at its end has the encoder in its checkpoint.
    (run / "encoder.keras").unlink()
    np.testing.assert_array_equal(inferred("again")[0], guessed)


def test_a_run_begins_with_the_encoder_of_the_one_it_follows(data, learned, run_app, tmp_path):
    second, still = tmp_path / "second", ("--encoder_rate=1e-12", f"--init_from={learned}")
    assert run_app(train, *flags(data, second, "--epochs=1", *still)).status == 0
    old, new = (keras.models.load_model(run / "encoder.keras") for run in (learned, second))
    for mine, other in zip(old.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-7)


def test_metropolis_proposals_leave_the_posterior_as_it_is():
    rng = np.random.default_rng(0)
    model, count, sigma = LinearModel(4, 2), 4000, 0.4
    weights = rng.normal(size=(2, 4)).astype("f")
    model.layer.set_weights([weights])
    x = np.repeat(rng.normal(size=(1, 4)), count, axis=0).astype("f")
    precision = np.eye(2) + weights @ weights.T / (4 * sigma**2)
    covariance = np.linalg.inv(precision)
    mean = covariance @ weights @ x[0] / (4 * sigma**2)
    # A guess that is wrong by more than a standard deviation.
    guess = {"appearance": np.repeat(mean[None] + [0.3, -0.2], count, axis=0)}
    optimizer = keras.optimizers.SGD()
    proposals = EncoderProposals(model, Fixed(guess), optimizer, metropolis=True)
    # Wider than the posterior, whose tails are then reached in the steps below.
    proposals.spread["appearance"].assign(2 * covariance.diagonal())
    ids, moving = tf.range(count, dtype=tf.int64), {"appearance": tf.constant(True)}
    z = {"appearance": tf.constant(rng.normal(size=(count, 2)), tf.float32)}
    shares = []
    for step in range(60):
        optimizer.iterations.assign(step)
        z, share = proposals.restart(tf.constant(x), z, tf.constant(sigma), moving, ids)
        shares.append(float(share))
    found = z["appearance"].numpy()
    error = np.sqrt(covariance.diagonal() / count)
    np.testing.assert_array_less(np.abs(found.mean(0) - mean), 4 * error)
    np.testing.assert_allclose(np.cov(found.T), covariance, rtol=0.12, atol=0.1 * covariance.max())
    assert 0.1 < np.mean(shares[20:]) < 0.9


def test_the_width_of_metropolis_proposals_follows_the_error_of_the_guess():
    keras.utils.set_random_seed(0)
    model, encoder = LinearModel(5, 2), LinearEncoder(5, 2)
    proposals = EncoderProposals(model, encoder, keras.optimizers.SGD(0.0), metropolis=True)
    x, z = tf.zeros([3, 5]), {"appearance": tf.constant([[2.0, 0.0]] * 3)}
    for _ in range(200):
        proposals.learn(x, z, tf.zeros([]))
    np.testing.assert_allclose(proposals.spread["appearance"], [4.0, 0.0], atol=1e-3)


def test_learning_with_a_discriminator_uses_them_too(data, run_app, tmp_path):
    said = run_app(
        train,
        *flags(data, tmp_path / "run", "--epochs=1", "--adversarial", "--discriminator_width=0.1"),
    )
    assert said.status == 0, said.err
    (row,) = rows(tmp_path / "run")
    assert row["proposal_error"] > 0 and 0 <= row["restarted"] <= 1 and "accuracy" in row


def test_an_older_run_has_no_proposals():
    config = Config(data=DataConfig(side=32))
    text = config.to_json()
    older = json.loads(text)
    del older["learning"]["proposals"], older["learning"]["chain_start"], older["checksum"]
    found = Config.from_json(json.dumps(older)).learning
    assert (found.proposals, found.chain_start) == ("none", "normal")
