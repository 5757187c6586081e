"""Classes that are inferred without labels."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf import evaluate, train
from dgn_tf.config import Config, DataConfig, ModelConfig, TrainingConfig
from dgn_tf.data.examples import Examples
from dgn_tf.data.labels import class_labels
from dgn_tf.evaluation.metrics.errors import clustering_accuracy
from dgn_tf.inference.energy import class_energies, class_parts, energy
from dgn_tf.inference.langevin import langevin
from dgn_tf.inference.noise import example_normal, gumbel
from dgn_tf.inference.posterior import Inference
from dgn_tf.inference.starts import first_starts, lowest_class
from dgn_tf.models.autoencoder import Encoder
from dgn_tf.models.factory import make_encoder, make_model
from dgn_tf.serving.portable import portable
from dgn_tf.serving.saved_model import model_signatures
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains
from dgn_tf.training.proposals import EncoderProposals
from dgn_tf.utils.errors import InputError

CLASSES = 3
SETTINGS = ModelConfig(
    appearance="categorical",
    appearance_dim=CLASSES,
    geometry_dim=2,
    alpha=0.2,
    appearance_scheme=2,
    appearance_beta=3.0,
)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return make_model(SETTINGS, 32, 1)


class Levels:
    """Class c paints the gray level of c, the other latent nothing."""

    latent_dims = {"appearance": CLASSES, "geometry": 1}
    given_groups, class_groups = (), ("appearance",)
    levels = tf.constant([[-0.5], [0.0], [0.7]])

    def part(self, name, z):
        return tf.matmul(z, self.levels) if name == "appearance" else 0.0 * z

    def combine(self, parts):
        return parts["appearance"] + parts["geometry"]


def test_energies_of_classes_are_those_of_each_alone(model):
    rng = np.random.default_rng(0)
    x = tf.constant(rng.uniform(-1, 1, (4, 32, 32, 1)), tf.float32)
    z_g = tf.constant(rng.standard_normal((4, 2)), tf.float32)
    parts = {"appearance": x, "geometry": model.part("geometry", z_g)}
    each = class_parts(model)["appearance"]
    found = class_energies(model, x, parts, "appearance", each, 0.7)
    prior = 0.5 + tf.reduce_sum(tf.square(z_g), 1) / 2.0
    for number in range(CLASSES):
        z = {"appearance": tf.tile(tf.eye(3)[number][None], [4, 1]), "geometry": z_g}
        np.testing.assert_allclose(found[:, number], energy(model, x, z, 0.7) - prior, rtol=1e-5)


def test_normal_noise_becomes_gumbel_noise():
    draws = gumbel(example_normal(0, 0, tf.range(20_000, dtype=tf.int64), 0, 1, 2)[0]).numpy()
    # Mean 0.5772 and variance pi^2 / 6; the standard errors of 40,000 draws are 0.0064 and 0.02.
    assert abs(draws.mean() - np.euler_gamma) < 0.03
    assert abs(draws.var() - np.pi**2 / 6) < 0.1
    # 1 - Phi(5) is 2.87e-7.
    expected = [-np.log(np.log(2)), -np.log(2.8665e-7)]
    np.testing.assert_allclose(gumbel(tf.constant([0.0, 5.0])), expected, rtol=1e-3)


def test_classes_are_drawn_by_their_posterior():
    count, sigma, model = 20_000, 0.4, Levels()
    x = tf.fill([count, 1], 0.1)
    z = {"appearance": tf.one_hot(tf.zeros([count], tf.int32), 3), "geometry": tf.zeros([count, 1])}
    noise = {
        name: example_normal(0, 1, tf.range(count, dtype=tf.int64), stream, 1, dim)
        for stream, (name, dim) in enumerate(model.latent_dims.items())
    }
    given = {"steps": 1, "step_size": 0.1, "sigma": sigma}
    drawn = langevin(model, x, z, noise=noise, **given)["appearance"].numpy()
    # Differences of levels are halved on the [0, 1] scale.
    weights = np.exp(-(((0.1 - Levels.levels.numpy()[:, 0]) / 2) ** 2) / (2 * sigma**2))
    # The largest standard error of a share of 20,000 draws is 0.0035.
    np.testing.assert_allclose(drawn.mean(axis=0), weights / weights.sum(), atol=0.015)
    likeliest = langevin(model, x, z, **given)["appearance"]
    np.testing.assert_array_equal(likeliest, np.tile([0.0, 1.0, 0.0], (count, 1)))


def test_chains_start_in_any_class():
    chains = Chains(np.arange(600), {"appearance": 3, "geometry": 2}, 0, classes=("appearance",))
    start = chains.groups["appearance"].numpy()
    assert set(np.unique(start)) == {0.0, 1.0} and np.all(start.sum(axis=1) == 1)
    assert start.sum(axis=0).min() > 150


def test_inference_finds_the_class_that_made_an_image(model):
    z_g = tf.constant(np.random.default_rng(1).standard_normal((3, 2)), tf.float32)
    x = model({"appearance": tf.eye(3), "geometry": z_g}).numpy()
    found = Inference(model, steps=20, step_size=0.1, sigma=0.1, starts=1)(x)
    np.testing.assert_array_equal(found["appearance"], np.eye(3))


def test_clustering_accuracy_matches_classes_and_labels_once():
    labels = np.array([0, 0, 0, 1, 1, 2])
    assert clustering_accuracy(np.array([7, 7, 7, 4, 4, 1]), labels) == 1.0
    # One class for all can be one label only; a label in two classes counts once.
    assert clustering_accuracy(np.zeros(6, int), labels) == 0.5
    assert clustering_accuracy(np.array([0, 0, 3, 1, 1, 2]), labels) == pytest.approx(5 / 6)


def test_settings_that_do_not_go_with_classes_are_refused():
    with pytest.raises(InputError, match="`appearance=categorical` is for `model=deformable`"):
        Config(model=ModelConfig(model="vae", appearance="categorical"))
    with pytest.raises(InputError, match="`head_start` needs `appearance=continuous`"):
        Config(model=SETTINGS, learning=TrainingConfig(head_start=0.1))


class Means(keras.Model):
    """Class c paints a vector of its own, which is learned."""

    latent_dims = {"appearance": CLASSES, "geometry": 1}
    given_groups, class_groups = (), ("appearance",)

    def __init__(self):
        super().__init__()
        start = keras.initializers.RandomNormal(0.0, 0.1, seed=3)
        self.means = self.add_weight(shape=(CLASSES, 8), initializer=start)
        self.built = True

    def part(self, name, z):
        return tf.matmul(z, self.means) if name == "appearance" else z

    def combine(self, parts):
        return parts["appearance"] + 0.0 * parts["geometry"]

    def regularization(self, parts):
        return 0.0

    def diagnostics(self, parts):
        return {}


def test_learning_finds_the_clusters_and_their_means():
    rng = np.random.default_rng(4)
    labels, count = np.repeat(np.arange(3), (10, 20, 30)), 60
    truth = rng.uniform(-1, 1, (3, 8))
    x = tf.constant(truth[labels] + 0.1 * rng.standard_normal((count, 8)), tf.float32)
    model = Means()
    chains = Chains(np.arange(count), model.latent_dims, 0, classes=model.class_groups)
    learner = AlternatingBackprop(
        model, chains, keras.optimizers.Adam(0.05), total_steps=100, langevin_steps=1, sigma=0.2
    )
    step = tf.function(learner.step)
    for _ in range(100):
        step(tf.range(count), tf.range(count, dtype=tf.int64), x)
    found = learner.latents(labels)["appearance"].argmax(axis=1)
    assert clustering_accuracy(found, labels) == 1.0
    for label in range(3):
        mean = model.means[found[labels == label][0]]
        np.testing.assert_allclose(mean, x.numpy()[labels == label].mean(axis=0), atol=0.05)


def test_labels_to_compare_with_are_missed_before_training():
    images = np.zeros((2, 8, 8, 1), np.uint8)
    factors = {"kind": np.array([0, 1]), "size": np.array([0.5, 1.0]), "box": np.zeros((2, 4))}
    examples = Examples(images, np.arange(2), ("a", "b"), factors)
    np.testing.assert_array_equal(class_labels(examples, "kind"), [0, 1])
    assert class_labels(examples, "label") is None
    for name, reason in (
        ("sort", "the data have no such label; they have kind"),
        ("size", "the label of the data is neither text nor whole numbers"),
        ("box", r"the label of the data is \[N, 4\], neither one value"),
    ):
        with pytest.raises(InputError, match=f"`label={name}`: {reason}"):
            class_labels(examples, name)


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--proposals=encoder", "--dreams", "--chain_start=zero")])
def test_a_run_from_training_to_measuring(run_app, tmp_path, more):
    rng = np.random.default_rng(2)
    for name in ("train", "test"):
        images = rng.integers(0, 256, (8, 32, 32, 1), np.uint8)
        np.savez(tmp_path / name, images=images, kind=np.arange(8) % 3)
    said = run_app(
        train,
        f"--data=npz:{tmp_path}/train.npz",
        "--appearance=categorical",
        "--label=kind",
        "--appearance_dim=3",
        "--geometry_dim=2",
        "--side=32",
        "--channels=1",
        "--alpha=0.1",
        "--batch_size=8",
        "--langevin_steps=1",
        "--epochs=2",
        f"--run_dir={tmp_path}/run",
        *more,
    )
    assert said.status == 0, said.err
    sheets = {path.stem for path in (tmp_path / "run/samples/latest").iterdir()}
    assert sheets == {"sheet", "classes", "traversal_geometry", "prior"}
    said = run_app(
        evaluate, f"--run_dir={tmp_path}/run", "--steps=10", f"--data=npz:{tmp_path}/test.npz"
    )
    assert said.status == 0, said.err
    assert "classes found that agree with the labels" in said.out
    report = json.loads((tmp_path / "run/evaluation/held_out/report.json").read_text())
    assert 3 / 8 <= report["numbers"]["clustering"] <= 1


def test_a_guess_of_geometry_is_tried_in_every_class():
    class Model:
        latent_dims = {"appearance": 3, "geometry": 2}
        class_groups = ("appearance",)

    def encoder(x):
        return {"geometry": (x[:, :2], None)}

    x = tf.constant(np.arange(8.0).reshape(2, 4), tf.float32)
    starts = first_starts(Model(), x, {}, encoder)
    np.testing.assert_array_equal(starts["geometry"], np.tile(x[:, :2], (3, 1)))
    np.testing.assert_array_equal(starts["appearance"], np.repeat(np.eye(3), 2, axis=0))


class Offsets:
    """x is 10 c + z_g, a number, for class c; any class explains any x."""

    latent_dims = {"appearance": 3, "geometry": 1}
    given_groups, class_groups = (), ("appearance",)

    def part(self, name, z):
        return tf.matmul(z, [[0.0], [10.0], [20.0]]) if name == "appearance" else z

    def combine(self, parts):
        return parts["appearance"] + parts["geometry"]


class PerClass(keras.Model):
    """Guesses of z_g for each of three classes: x - 10 c, times a weight."""

    def __init__(self):
        super().__init__()
        self.weight = self.add_weight(shape=(3,), initializer="ones", name="weight")

    def call(self, x):
        guess = self.weight * (x - [[0.0, 10.0, 20.0]])
        return {"geometry": (guess[:, :, None], None)}


def proposals(**settings):
    return EncoderProposals(Offsets(), PerClass(), keras.optimizers.SGD(0.01), **settings)


def restarted(proposing, x, classes, geometry, moving=True):
    z = {"appearance": tf.one_hot(classes, 3), "geometry": tf.constant(geometry)[:, None]}
    ids = tf.range(len(x), dtype=tf.int64)
    free = {"appearance": tf.constant(moving), "geometry": tf.constant(True)}
    z, share = proposing.restart(tf.constant(x)[:, None], z, tf.constant(0.5), free, ids)
    return z["appearance"].numpy().argmax(1).tolist(), z["geometry"][:, 0].numpy(), float(share)


def test_every_class_starts_with_its_own_guess():
    x = tf.constant([[11.0], [19.0]])
    starts = first_starts(Offsets(), x, {}, PerClass())
    np.testing.assert_array_equal(starts["geometry"][:, 0], [11.0, 19.0, 1.0, 9.0, -9.0, -1.0])
    np.testing.assert_array_equal(starts["appearance"], np.repeat(np.eye(3), 2, axis=0))
    encoded = lowest_class(Offsets(), PerClass(), 0.5)(x)
    np.testing.assert_array_equal(encoded["appearance"][0], [[0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(encoded["geometry"][0], [[1.0], [-1.0]])


def test_a_chain_leaves_its_class_for_one_whose_guess_is_better():
    # The second explains its x with its own class as well as the guess does.
    found = restarted(proposals(), [11.0, 19.0], [0, 2], [11.0, -1.0])
    assert found[0] == [1, 2] and found[1].tolist() == [1.0, -1.0] and found[2] == 0.5


def test_a_chain_keeps_its_class_during_a_head_start_and_with_metropolis():
    classes, geometry, share = restarted(proposals(), [1.0], [0], [5.0], moving=False)
    assert classes == [0] and geometry.tolist() == [1.0] and share == 1.0
    classes, geometry, share = restarted(proposals(metropolis=True), [1.0], [0], [5.0])
    assert classes == [0] and share == 1.0 and -4.0 < geometry[0] < 5.0


def test_only_the_guess_for_the_class_of_a_chain_learns():
    proposing = proposals()
    z = {"appearance": tf.one_hot([1], 3), "geometry": tf.constant([[3.0]])}
    learned = proposing.learn(tf.constant([[12.0]]), z, tf.zeros([]))
    assert float(learned["proposal_error"]) == pytest.approx(1.0)
    # Down the gradient 2 (2 - 3) 2 of (2 w - 3)^2, at the rate 0.01.
    np.testing.assert_allclose(proposing.encoder.weight, [1.0, 1.04, 1.0], rtol=1e-5)


def test_encode_answers_with_the_class(model):
    encoder = make_encoder(SETTINGS, model, 32, 1)
    assert encoder.settings["classes"] == CLASSES
    config = Config(data=DataConfig(side=32, channels=1), model=SETTINGS)
    encode = model_signatures(config, portable(config, model), encoder)["encode"]
    answer = encode(tf.zeros([2, 32, 32, 1]))
    assert answer["z_geometry"].shape == [2, 2]
    np.testing.assert_array_equal(np.sort(answer["z_appearance"])[:, -1], 1.0)


def test_an_encoder_with_classes_has_no_variances():
    with pytest.raises(ValueError, match="variance=False"):
        Encoder({"geometry": 2}, classes=3)
