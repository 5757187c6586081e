"""Labels that are given instead of being inferred (Fig. 13)."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dgn_tf import evaluate, infer, train
from dgn_tf.config import Config, DataConfig, ModelConfig, TrainingConfig
from dgn_tf.data.examples import Examples
from dgn_tf.data.labels import one_hot
from dgn_tf.data.sources.folders import load_folder
from dgn_tf.inference.langevin import langevin
from dgn_tf.inference.posterior import Inference
from dgn_tf.models.factory import make_model
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.images import as_images
from dgn_tf.visualize.sheets import prior_sheet
from dgn_tf.visualize.traversals import class_sheet

CLASSES = 3
SETTINGS = ModelConfig(
    appearance="label", appearance_dim=CLASSES, geometry_dim=2, alpha=0.1, appearance_scheme=2
)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return make_model(SETTINGS, 32, 1)


def digits(count=6):
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 1), np.uint8)
    factors = {"label": np.arange(count) % CLASSES, "size": np.linspace(0, 1, count)}
    return Examples(images, np.arange(count), tuple(map(str, range(count))), factors)


def test_labels_become_one_hot():
    np.testing.assert_array_equal(one_hot(digits(), "label", 3), np.tile(np.eye(3), (2, 1)))
    with pytest.raises(InputError, match="no label 'digit' .* they have label, size"):
        one_hot(digits(), "digit", 3)
    with pytest.raises(InputError, match="from 0 to 1 .* it runs from 0 to 2"):
        one_hot(digits(), "label", 2)
    with pytest.raises(InputError, match="must be a whole number from 0 to 2"):
        one_hot(digits(), "size", 3)
    some = digits()
    some.factors["label"] = np.array([0, 1, np.nan, 0, 1, 2])
    with pytest.raises(InputError, match="from 0 to 2; that of 1 of 6 examples is NaN or infinite"):
        one_hot(some, "label", 3)


def test_a_folder_for_each_class_is_a_label(tmp_path):
    for name in ("cats/a.png", "cats/b.png", "apes/deep/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32)).save(tmp_path / name)
    found = load_folder(str(tmp_path), 32, 1)
    labels = dict(zip(found.names, found.factors["label"].tolist(), strict=True))
    assert labels == {"apes/deep/c.png": 0, "cats/a.png": 1, "cats/b.png": 1}
    assert load_folder(str(tmp_path / "cats"), 32, 1).factors == {}
    Image.new("L", (32, 32)).save(tmp_path / "d.png")
    assert load_folder(str(tmp_path), 32, 1).factors == {}


def test_folders_are_told_by_their_names():
    names = ("b/1.png", "c/2.png")
    some = Examples(np.zeros((2, 8, 8, 1), np.uint8), np.arange(2), names)
    np.testing.assert_array_equal(one_hot(some, "label", 3, ["a", "b", "c"]), np.eye(3)[[1, 2]])
    with pytest.raises(InputError, match="c is no class of this run, whose folders are a, b"):
        one_hot(some, "label", 3, ["a", "b"])


def test_fixed_groups_stay_and_the_others_move_as_without_them(model):
    rng = np.random.default_rng(1)
    z = {
        "appearance": tf.constant(np.eye(3), tf.float32),
        "geometry": tf.constant(rng.standard_normal((3, 2)), tf.float32),
    }
    x = tf.constant(rng.uniform(-1, 1, (3, 32, 32, 1)), tf.float32)
    given = {"steps": 3, "sigma": 1.0}
    fixed = langevin(model, x, z, step_size=0.3, fixed=("appearance",), **given)
    np.testing.assert_array_equal(fixed["appearance"], z["appearance"])
    still = langevin(model, x, z, step_size={"appearance": 0.0, "geometry": 0.3}, **given)
    np.testing.assert_allclose(fixed["geometry"], still["geometry"], atol=1e-6)
    assert np.abs(fixed["geometry"] - z["geometry"]).min() > 1e-3


def test_learning_leaves_the_labels_as_they_are(model):
    labels = one_hot(digits(), "label", 3)
    chains = Chains(np.arange(6), model.latent_dims, 0, {"appearance": labels})
    start = Chains(np.arange(6), model.latent_dims, 0).groups["geometry"].numpy()
    np.testing.assert_array_equal(chains.groups["geometry"], start)
    learner = AlternatingBackprop(model, chains, keras.optimizers.SGD(0.0), total_steps=5)
    x = tf.zeros([6, 32, 32, 1])
    learner.step(tf.range(6), tf.range(6, dtype=tf.int64), x)
    np.testing.assert_array_equal(chains.groups["appearance"], labels)
    assert np.abs(chains.groups["geometry"] - start).max() > 0.01


def test_inference_takes_the_labels_and_starts_from_their_class(model):
    labels = one_hot(digits(), "label", 3)
    x = np.float32(digits().images) / 127.5 - 1
    infer_z = Inference(model, steps=10, starts=3)
    z = infer_z(x, given={"appearance": labels})
    np.testing.assert_array_equal(z["appearance"], labels)
    library = infer_z._library
    starts = infer_z.starts_of(tf.constant(x), library, {"appearance": tf.constant(labels)})
    np.testing.assert_array_equal(starts["appearance"], np.tile(labels, (3, 1)))
    samples = library.latents
    for row, label in enumerate(labels):
        for start in (1, 2):
            z_g = starts["geometry"][6 * start + row]
            (place,) = np.flatnonzero((samples["geometry"] == z_g).numpy().all(axis=1))
            np.testing.assert_array_equal(samples["appearance"][place], label)
    with pytest.raises(ValueError, match=r"needs to be given \['appearance'\], not \[\]"):
        infer_z(x)
    with pytest.raises(ValueError, match=r"needs to be given \[\], not \['appearance'\]"):
        plain = make_model(ModelConfig(model="abp", appearance_dim=3, alpha=0.1), 32, 1)
        Inference(plain)(x, given={"appearance": labels})


def test_the_sheets_show_each_label(model):
    rng = np.random.default_rng(2)
    z = {"appearance": np.eye(3)[np.arange(9) % 3], "geometry": rng.standard_normal((9, 2))}
    sheet = class_sheet(model, z, columns=3)
    canonical = model.part("appearance", tf.eye(3)).numpy()
    # The canonical image of the last label: four images of 128 pixels, 4 apart, end the row.
    left = sheet.shape[1] - 10 - 4 * 128 - 3 * 4
    shown = sheet[-10 - 128 : -10, left : left + 128]
    np.testing.assert_array_equal(shown, as_images(canonical[2], 4))
    sheet = prior_sheet(model, side=2)
    # On the right, the canonical images of the labels 0, 1, 2, 0.
    last = sheet[-10 - 128 : -10, -10 - 128 : -10]
    np.testing.assert_array_equal(last, as_images(canonical[0], 4))
    above = sheet[-10 - 128 - 132 : -10 - 132, -10 - 128 : -10]
    np.testing.assert_array_equal(above, as_images(canonical[1], 4))


def test_settings_that_do_not_go_with_labels_are_refused():
    with pytest.raises(InputError, match="`appearance=label` is for `model=deformable`, not abp"):
        Config(model=ModelConfig(model="abp", appearance="label"))
    with pytest.raises(InputError, match="`label` belongs to `appearance=label`"):
        Config(DataConfig(label="digit"))
    with pytest.raises(InputError, match="`head_start` needs `appearance=continuous`"):
        Config(model=SETTINGS, learning=TrainingConfig(head_start=0.2))
    assert Config(DataConfig(label="digit"), SETTINGS).data.label == "digit"


@pytest.mark.slow
def test_a_labeled_run_from_training_to_measuring(run_app, tmp_path):
    examples = digits(12)
    for name, rows in (("train", slice(0, 8)), ("test", slice(8, 12))):
        np.savez(
            tmp_path / name, images=examples.images[rows], digit=examples.factors["label"][rows]
        )
    np.savez(tmp_path / "bare", images=examples.images)
    command = (
        f"--data=npz:{tmp_path}/train.npz",
        "--appearance=label",
        "--label=digit",
        "--appearance_dim=3",
        "--geometry_dim=2",
        "--side=32",
        "--channels=1",
        "--alpha=0.1",
        "--appearance_scheme=2",
        "--batch_size=4",
        "--langevin_steps=1",
        "--epochs=2",
        f"--run_dir={tmp_path}/run",
    )
    refused = run_app(train, *command, "--label=size")
    assert refused.status == 2 and "no label 'size'" in refused.err
    refused = run_app(train, *command, "--appearance_dim=4")
    assert refused.status == 2 and "no example has the label 3" in refused.err
    assert not (tmp_path / "run/config.json").exists()
    said = run_app(train, *command)
    assert said.status == 0, said.err
    sheets = {path.stem for path in (tmp_path / "run/samples/latest").iterdir()}
    assert sheets == {"sheet", "classes", "traversal_geometry", "prior"}
    given = (f"--run_dir={tmp_path}/run", "--steps=10", "--starts=2")
    said = run_app(evaluate, *given, f"--data=npz:{tmp_path}/test.npz")
    assert said.status == 0, said.err
    assert (tmp_path / "run/evaluation/held_out/classes.png").exists()
    out = f"--output_dir={tmp_path}/out"
    said = run_app(infer, *given, f"--data=npz:{tmp_path}/test.npz", out)
    assert said.status == 0, said.err
    latents = np.load(tmp_path / "out/latents.npz")
    np.testing.assert_array_equal(latents["z_appearance"].argmax(1), np.arange(8, 12) % 3)
    (tmp_path / "a.png").write_bytes(b"")
    for flags, message in (
        ((f"--recombine={tmp_path}/a.png,{tmp_path}/a.png",), "is given the labels of images"),
        ((f"--data=npz:{tmp_path}/test.npz", "--edit=appearance:1=2"), "has no appearance"),
    ):
        refused = run_app(infer, *given, *flags, out, "--overwrite")
        assert refused.status == 2 and message in refused.err
    refused = run_app(evaluate, *given, "--experiment=basis")
    assert refused.status == 2 and "models whose appearance is continuous" in refused.err
    refused = run_app(infer, *given, f"--data=npz:{tmp_path}/bare.npz", out, "--overwrite")
    assert (
        refused.status == 2 and "`appearance=label`: the data have no label 'digit'" in refused.err
    )
