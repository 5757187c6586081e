"""Experiments E3 and E4: what their sheets and numbers hold, and as the program reports them."""

import json
import sys
import types

import keras
import numpy as np
import pytest
from PIL import Image

from dgn_tf import evaluate
from dgn_tf.config import Config, DataConfig, ModelConfig, TrainingConfig
from dgn_tf.data.examples import as_float
from dgn_tf.data.sources import load
from dgn_tf.data.sources.files import load_photographs
from dgn_tf.evaluation.experiments import adversarial, geometry
from dgn_tf.evaluation.metrics.face_features import load_face_features
from dgn_tf.evaluation.metrics.kernel_distance import kernel_distance
from dgn_tf.evaluation.report import table_text
from dgn_tf.inference.statistics import prior_latents
from dgn_tf.models.factory import make_model
from dgn_tf.runs import evaluated
from dgn_tf.runs.directory import Run
from dgn_tf.training.chains import Chains
from dgn_tf.training.checkpoints import Checkpoints, Progress
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.images import as_images
from dgn_tf.visualize.photographs import warp_photograph

SIDE, TRAINED = 32, 9
SMALL = {"appearance_dim": 3, "geometry_dim": 2, "alpha": 0.2, "appearance_scheme": 2}


def make_run(folder, data, **settings):
    """A run as the trainer leaves it, with networks fresh from their initialization."""
    model_settings = {k: settings.pop(k) for k in tuple(settings) if k in ("appearance", "model")}
    config = Config(data, ModelConfig(**SMALL, **model_settings), TrainingConfig(**settings))
    keras.utils.set_random_seed(4)
    model = make_model(config.model, SIDE, 1)
    examples = load(data)
    folder.mkdir()
    Run(folder).begin(config, examples)
    given = (
        {"appearance": np.eye(3)[np.arange(TRAINED) % 3]}
        if config.model.appearance == "label"
        else None
    )
    chains = Chains(examples.ids, model.latent_dims, 0, given)
    Checkpoints(folder / "checkpoints", model=model, chains=chains).save(Progress(step=1))
    return model, {name: z.numpy() for name, z in chains.groups.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs `ours` and `rival` on the same images, `other` on others, `labelled` by digits."""
    root = tmp_path_factory.mktemp("generation")
    rng = np.random.default_rng(0)
    for name, count in (("train", TRAINED), ("other", TRAINED), ("test", 8)):
        images = rng.integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
        np.savez(root / f"{name}.npz", images=images, label=np.arange(count) % 3)
    data, other = (
        DataConfig(data=f"npz:{root}/{name}.npz", side=SIDE, channels=1)
        for name in ("train", "other")
    )
    runs = {
        "ours": make_run(root / "ours", data, adversarial=True),
        "rival": make_run(root / "rival", data),
        "flat": make_run(root / "flat", data, model="abp"),
        "other": make_run(root / "other", other),
        "labelled": make_run(root / "labelled", data, appearance="label"),
    }
    return types.SimpleNamespace(root=root, **runs)


def read(folder):
    return json.loads((folder / "report.json").read_text())


def test_the_exchange_sheet_is_figure_11(made):
    model, z = made.ours
    images = np.zeros((TRAINED, SIDE, SIDE, 1), np.uint8)
    sheet = adversarial.exchange_sheet(model, images, z)
    # Eight images of 128 pixels, 4 apart, end every row.
    left, top = (length - 10 - 128 - 4 * 132 for length in (sheet.shape[1], sheet.shape[0]))

    def shown(row, column):
        """Rows from the last, columns from the third of eight."""
        y = sheet.shape[0] - 10 - 128 - 132 * row
        return sheet[y : y + 128, left + 132 * column :][:, :128]

    assert top < 10
    later = {group: values[4:5] for group, values in z.items()}
    first = {group: values[:1] for group, values in z.items()}
    for row, expected in (
        (0, {**later, "geometry": first["geometry"]}),
        (1, {**later, "appearance": first["appearance"]}),
        (2, later),
    ):
        image = as_images(decode(model, expected)[0][0], 4)
        difference = np.abs(shown(row, 1).astype(int) - image)
        assert difference.max() <= 1, row


def test_numbers_with_and_without_a_rival(made, run_app, monkeypatch):
    root = made.root

    def means(images):
        images = as_float(images) if images.dtype == np.uint8 else images
        return images.reshape(len(images), 8, -1).mean(axis=2)

    def make_inference(model, *_):
        # How well it infers is judged elsewhere, and compiling it takes long.
        def infer(x, *_, **__):
            return {name: np.zeros((len(x), dim)) for name, dim in model.latent_dims.items()}

        return infer

    monkeypatch.setattr(adversarial, "load_face_features", lambda: means)
    monkeypatch.setattr(evaluated, "make_inference", make_inference)
    said = run_app(
        evaluate,
        "--experiment=adversarial",
        f"--run_dir={root}/ours",
        f"--data=npz:{root}/test.npz",
        f"--rival={root}/rival",
    )
    assert said.status == 0, said.err
    report = read(root / "ours/evaluation/adversarial")
    models, training = report["numbers"]["models"], report["numbers"]["training"]
    assert list(models) == ["adversarial", "likelihood alone"]
    assert report["origin"]["rival"]["config"]["learning"]["adversarial"] is False
    with np.load(root / "train.npz") as train, np.load(root / "test.npz") as test:
        error = np.square((test["images"] - train["images"].mean(axis=0)) / 255).sum((1, 2)).mean()
    ours = models["adversarial"]
    zero = {name: np.zeros((8, dim)) for name, dim in made.ours[0].latent_dims.items()}
    with np.load(root / "test.npz") as test:
        difference = decode(made.ours[0], zero)[0][..., 0] - as_float(test["images"])
    assert ours["msre"] == pytest.approx(np.square(difference).sum((1, 2)).mean() / 4, rel=1e-4)
    assert ours["msre"] / ours["over_mean_image"] == pytest.approx(error, rel=1e-3)
    # Images of noise, in the training as in the test; nets that know nothing make smooth ones.
    assert training["sharpness"] == pytest.approx(1, abs=0.05)
    assert ours["samples"]["sharpness"] < 0.7
    samples, _ = decode(made.ours[0], prior_latents(made.ours[0].latent_dims, (), 8))
    with np.load(root / "test.npz") as test:
        expected = kernel_distance(means(samples), means(test["images"]))
    assert ours["samples"]["kid"] == pytest.approx(expected, abs=1e-6)
    assert training["kid"][0] < expected[0]
    row = next(line for line in said.out.splitlines() if "over that of likelihood alone" in line)
    ratio = ours["msre"] / models["likelihood alone"]["msre"]
    assert row.split()[-3:] == [f"{ratio:.2f}", "1.00", "–"]
    assert "features of MTCNN's O-Net" in said.out and "within this report only" in said.out
    names = {p.stem for p in (root / "ours/evaluation/adversarial").glob("*.png")}
    assert names == {
        "comparison",
        "recombination",
        "directions_appearance",
        "directions_geometry",
        "samples_adversarial",
        "samples_likelihood_alone",
    }


def test_without_the_package_of_the_features_kid_is_left_out(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn.network.onet", None)
    features = load_face_features()
    train, test = (
        load(DataConfig(data=f"npz:{made.root}/{n}.npz", side=SIDE, channels=1))
        for n in ("train", "test")
    )
    model, z = made.ours
    latents = {group: values[: len(test)] for group, values in z.items()}
    report = adversarial.adversarial({adversarial.OURS: (model, latents)}, train, test, features)
    assert report.numbers["training"]["kid"] is None
    (table,) = report.tables
    assert table.columns == ("", "adversarial", "training images")
    assert table.rows[-1] == ("KID of prior samples, x 1000", None, None)
    assert 'pip install "dgn_tf[faces]"' in table_text(table)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run_dir={0}/rival"], "needs a --run_dir learned with `adversarial`; {0}/rival is not"),
        (
            ["--run_dir={0}/ours", "--rival={0}/ours"],
            "needs a --rival learned without `adversarial`; {0}/ours is not",
        ),
        (["--run_dir={0}/ours", "--rival={0}/other"], "was learned from other images than"),
        (["--run_dir={0}/ours", "--rival={0}/flat"], "but --rival={0}/flat holds `model=abp`"),
        (["--run_dir={0}/ours", "--pictures=x"], "--pictures belongs to --experiment=geometry"),
        (
            ["--experiment=geometry", "--run_dir={0}/ours", "--rival=x"],
            "--rival belongs to --experiment=adversarial and expressions, not to geometry",
        ),
        (["--experiment=geometry", "--run_dir={0}/flat"], "needs a model with geometry"),
        (
            ["--experiment=geometry", "--run_dir={0}/ours", "--pictures={0}/none.jpg"],
            "{0}/none.jpg: there is no such file",
        ),
        (["--run_dir={0}/ours"], "--data is needed"),
    ],
)
def test_what_does_not_go_together_is_named(made, run_app, arguments, message):
    arguments = [argument.format(made.root) for argument in arguments]
    said = run_app(evaluate, "--experiment=adversarial", *arguments)
    assert (said.status, said.out) == (2, "")
    assert message.format(made.root) in said.err.splitlines()[-1]


def test_learned_geometry_on_sampled_looks_and_on_photographs(made, run_app, tmp_path):
    rng = np.random.default_rng(3)
    for name, size in (("cat.png", (40, 60)), ("dog.png", (700, 300))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(tmp_path / name)
    said = run_app(
        evaluate, f"--run_dir={made.root}/rival", "--experiment=geometry", f"--pictures={tmp_path}"
    )
    assert said.status == 0, said.err
    folder = made.root / "rival/evaluation/geometry"
    names = {p.stem for p in folder.glob("*.png")}
    assert names == {"direction_1", "direction_2", "unit", "photograph_1", "photograph_2"}
    report = read(folder)
    assert report["origin"]["pictures"] == ["cat.png", "dog.png"]
    assert sum(report["numbers"]["directions"]["variance"]) == pytest.approx(1)
    assert f"{report['numbers']['directions']['displacement'][0]:.2f}" in said.out
    # In the middle column each photograph is as it was; the large one is shown smaller.
    sheet = np.asarray(Image.open(folder / "photograph_1.png"))
    left = sheet.shape[1] - 10 - 60 - 2 * 64
    np.testing.assert_array_equal(
        sheet[-10 - 40 : -10, left : left + 60], np.asarray(Image.open(tmp_path / "cat.png"))
    )
    assert Image.open(folder / "photograph_2.png").height < 2 * 320 + 50


def test_photographs_move_by_the_difference_of_fields(made):
    model, z = made.rival
    image = np.random.default_rng(5).integers(0, 256, (24, 24, 3), np.uint8)
    report = geometry.geometry(model, z, {"a": image})
    sheet = next(f for f in report.figures if f.name == "photograph_1").image
    mean, cov = z["geometry"].mean(axis=0), np.cov(z["geometry"].T, ddof=0)
    values, vectors = np.linalg.eigh(cov.astype(np.float64))
    step = 2.5 * np.sqrt(values[0]) * vectors[:, 0]
    before, *ends = (
        model.part("geometry", np.float32(each[None]))[0].numpy()
        for each in (mean, mean + step, mean - step)
    )
    expected = [warp_photograph(image, field - before) for field in ends]
    # The last of two directions stands in the last row; it may point either way.
    shown = sheet[-10 - 24 : -10, -10 - 24 : -10].astype(int)
    errors = [np.abs(shown - each).max() for each in expected]
    assert min(errors) <= 1 < max(errors)
    moved = report.numbers["directions"]["displacement"]
    assert moved.shape == (2,) and np.all(moved > 0)


def test_labels_are_the_looks_of_a_labeled_model(made, run_app):
    said = run_app(evaluate, f"--run_dir={made.root}/labelled", "--experiment=geometry")
    assert said.status == 0, said.err
    model, z = made.labelled
    sheet = np.asarray(
        Image.open(made.root / "labelled/evaluation/geometry/direction_1.png")
    ).astype(int)
    canonical = model.part("appearance", np.eye(3, dtype=np.float32)).numpy()
    # Of the last label; eleven images stand to the right of it.
    left = sheet.shape[1] - 10 - 128 - 11 * 132
    shown = sheet[-10 - 128 : -10, left : left + 128]
    assert np.abs(shown - as_images(canonical[2], 4)).max() <= 1


def test_too_many_photographs_are_refused(tmp_path):
    for name in "ab":
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
    assert list(load_photographs(str(tmp_path), 2)) == ["a.png", "b.png"]
    assert list(load_photographs(f"{tmp_path}/b.png", 1)) == ["b.png"]
    with pytest.raises(InputError, match="holds 2 image files: give at most 1"):
        load_photographs(str(tmp_path), 1)
