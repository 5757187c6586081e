"""Clips learned, resumed, looked at and measured (E6), with a tiny dynamic model."""

import json
import shutil
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf import evaluate, infer, train
from dgn_tf.data import heads, heads_clips
from dgn_tf.data.examples import Examples, as_bytes, as_float
from dgn_tf.evaluation.clips import clips, identity_r2
from dgn_tf.evaluation.metrics import squared_errors
from dgn_tf.learning.checkpoints import Checkpoints
from dgn_tf.learning.inference import Inference
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.dynamic import DynamicDeformableGenerator, TransitionNetwork
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.visualize.clips import decode_clips, frames_sheet, shown_frames
from dgn_tf.visualize.pictures import as_pictures

SIDE, FRAMES, COUNT = 32, 4, 12


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    emission = DeformableGenerator(
        AppearanceGenerator(3, SIDE, 3, alpha=0.02, scheme=2, table="V"),
        GeometricGenerator(2, SIDE, scheme=2, table="V", width=0.05),
        jit_compile_warp=False,
    )
    transitions = {"appearance": TransitionNetwork(3, 1), "geometry": TransitionNetwork(2, 2)}
    return DynamicDeformableGenerator(emission, transitions, FRAMES - 1)


@pytest.fixture(scope="module")
def people():
    """Clips of twelve persons, two of each expression."""
    expression = np.arange(COUNT) % 6
    factors = heads.sample_appearance(COUNT, 1)
    factors |= heads_clips.sample_motion(expression, FRAMES, 2)
    width = heads.sample_geometry(COUNT, 3)["width"]
    factors |= {"width": np.repeat(width[:, None], FRAMES, 1), "person": np.arange(COUNT)}
    images = heads_clips.render_clips(factors, factors, SIDE)
    return Examples(images, np.arange(COUNT), tuple(map(str, range(COUNT))), factors)


def latents(model, count=COUNT):
    rng = np.random.default_rng(4)
    return {
        name: rng.standard_normal((count, dim)).astype(np.float32)
        for name, dim in model.latent_dims.items()
    }


def test_frames_on_a_sheet_are_spread_from_first_to_last():
    assert shown_frames(3).tolist() == [0, 1, 2]
    assert shown_frames(60).tolist() == [0, 8, 17, 25, 34, 42, 51, 59]


def test_a_sheet_shows_the_frames_it_names():
    rng = np.random.default_rng(0)
    rows = {n: rng.integers(0, 256, (FRAMES, SIDE, SIDE, 3), dtype=np.uint8) for n in ("a", "b")}
    sheet = frames_sheet(rows)
    enlarged = as_pictures(rows["b"][FRAMES - 1], 4)
    # The last picture stands in the lower right corner, inside the margin.
    np.testing.assert_array_equal(sheet[-10 - 128 : -10, -10 - 128 : -10], enlarged)


def test_errors_are_a_frame_and_recombination_is_against_the_drawn_truth(model, people):
    z = latents(model)
    report = clips(model, people, people, z, seed=5)
    made, _ = decode_clips(model, z)
    x = as_float(people.images)
    error = squared_errors(x.reshape(-1, SIDE, SIDE, 3), made.reshape(-1, SIDE, SIDE, 3)).mean()
    fit = report.numbers["reconstruction"]
    assert fit["msre"] == pytest.approx(error, rel=1e-5)
    # (3 + 3 * 1 + 2 + 3 * 2) latents for four frames.
    assert fit["pca_components"] == round(14 / 4)
    assert fit["msre_pca"] < fit["msre_mean_image"] < fit["msre"]
    order = np.random.default_rng(5).permutation(COUNT)
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)
    assert (other != np.arange(COUNT)).all()
    motion = {name: people.factors[name][other] for name in heads.GEOMETRY}
    truth = as_float(heads_clips.render_clips(people.factors, motion, SIDE))
    swapped, _ = decode_clips(model, {**z, "geometry": z["geometry"][other]})
    swap = report.numbers["recombination"]
    flat = (-1, SIDE, SIDE, 3)
    assert swap["recombined"] == pytest.approx(
        squared_errors(swapped.reshape(flat), truth.reshape(flat)).mean(), rel=1e-5
    )
    assert swap["not_recombined"] == pytest.approx(
        squared_errors(x.reshape(flat), truth.reshape(flat)).mean(), rel=1e-5
    )
    names = [figure.name for figure in report.figures]
    assert names == [
        "reconstruction", "recombination", "traversal_appearance", "traversal_geometry", "shape",
        "generated",
    ]  # fmt: skip
    lengths = [len(figure.film) for figure in report.figures]
    # A traversal goes there and back; free generation is twice as long.
    assert lengths == [FRAMES, FRAMES, 24, 24, FRAMES, 2 * FRAMES]
    film = report.figures[0].film
    np.testing.assert_array_equal(
        film[2, 10 : 10 + 128, -10 - 128 : -10], as_pictures(people.images[2, 2], 4)
    )


def test_identity_is_read_from_where_it_is_put(model):
    rng = np.random.default_rng(0)
    z = latents(model, 200)
    factors = {name: rng.standard_normal((200, 3)) for name in heads.APPEARANCE}
    factors["skin"] = z["appearance"][:, :3] + 0.0
    # Head width is the geometry's first latent; the motion does not know it.
    factors["width"] = np.repeat(z["geometry"][:, :1], FRAMES, axis=1)
    found = identity_r2(model, z, factors)
    assert found["skin"]["Z^a_0"] > 0.99 and found["skin"]["Z^g_0"] < 0.1
    assert found["width"]["Z^g_0"] > 0.99 and found["width"]["motion s^g"] < 0.1


def test_inference_of_a_clip_starts_standing_still(model):
    z = latents(model, 2)
    infer = Inference(model, steps=10, starts=3, step_size=0.05)
    x = tf.constant(decode_clips(model, z)[0])
    starts = infer._starts(x, infer._library())
    for name, dim in model.emission.latent_dims.items():
        assert starts[name].shape == (6, model.latent_dims[name])
        np.testing.assert_array_equal(starts[name][:, dim:], np.zeros_like(starts[name][:, dim:]))
    assert np.abs(starts["geometry"][2:, :2]).min() > 0


@pytest.fixture(scope="module")
def clip_run(run_app, model, tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    for seed, name in enumerate(("train", "test")):
        rng = np.random.default_rng(seed)
        images = as_bytes(rng.uniform(-1, 1, (12, SIDE, SIDE, 1)))
        clip = np.arange(12) // 3
        labels = {"mood": clip % 2, "actor": clip // 2}
        np.savez(root / name, images=images, clip=clip, frame=np.arange(12) % 3, **labels)
    command = (
        f"--data=npz:{root}/train.npz:images", "--model=dynamic", "--frames=3", "--side=32",
        "--channels=1", "--width=0.02", "--appearance_dim=2", "--geometry_dim=2",
        "--appearance_noise_dim=1", "--geometry_noise_dim=1", "--appearance_scheme=2",
        "--geometry_scheme=2", "--batch_size=3", "--langevin_steps=1", "--epochs=2",
        "--checkpoint_epochs=1", "--picture_epochs=2", f"--run_dir={root}/run",
    )  # fmt: skip
    said = run_app(train, *command)
    assert said.status == 0, said.err
    assert "data: 4 clips of 3 frames of 32x32x1" in said.out.splitlines()
    return root, command


def test_a_run_on_clips_goes_on_exactly(clip_run, run_app, tensors, tmp_path):
    root, command = clip_run
    assert (root / "run/samples/latest/sheet.png").exists()
    assert (root / "run/samples/latest/traversal_geometry.png").exists()
    shutil.copytree(root / "run", tmp_path / "again")
    shutil.rmtree(Checkpoints(tmp_path / "again/checkpoints").paths()[-1])
    assert run_app(train, *command[:-1], f"--run_dir={tmp_path}/again").status == 0
    once, twice = tensors(root / "run"), tensors(tmp_path / "again")
    assert all(once[name].tobytes() == twice[name].tobytes() for name in once)


def test_the_program_measures_clips(clip_run, run_app):
    root, _ = clip_run
    given = (f"--run_dir={root}/run", "--steps=10", "--starts=2")
    said = run_app(evaluate, *given, "--experiment=clips", f"--data=npz:{root}/test.npz:images")
    assert said.status == 0, said.err
    report = json.loads((root / "run/evaluation/clips/report.json").read_text())
    assert report["numbers"]["reconstruction"]["msre"] > 0
    assert "recombination" not in report["numbers"]
    refused = run_app(evaluate, *given, "--experiment=basis")
    assert refused.status == 2 and "holds a model of clips: give --experiment=clips" in refused.err
    given = (f"--run_dir={root}/run", f"--data=npz:{root}/test.npz", f"--output_dir={root}/out")
    refused = run_app(infer, *given)
    assert refused.status == 2 and "holds a model of clips" in refused.err
    assert not (root / "out").exists()


def test_the_program_recognises_beside_a_rival(clip_run, run_app):
    root, command = clip_run
    rival = f"{root}/rival"
    said = run_app(train, *command[:-1], "--model=mocogan", f"--run_dir={rival}")
    assert said.status == 0, said.err
    # Without geometry there is the sheet alone.
    assert [p.name for p in (root / "rival/samples/latest").iterdir()] == ["sheet.png"]
    given = (f"--run_dir={root}/run", "--experiment=expressions", "--steps=10", "--starts=2")
    labels = ("--label=mood", "--person=actor")
    refused = run_app(evaluate, *given)
    assert refused.status == 2 and "have no label 'expression'" in refused.err
    refused = run_app(evaluate, *given, f"--rival={root}/run")
    assert refused.status == 2 and "needs --model=mocogan, but" in refused.err
    refused = run_app(evaluate, f"--run_dir={rival}", "--experiment=expressions")
    assert refused.status == 2 and "needs --model=dynamic, but" in refused.err
    refused = run_app(evaluate, *given[:1], "--label=mood")
    assert refused.status == 2 and "--label belongs to --experiment=expressions" in refused.err
    # How well it learns is judged elsewhere.
    with mock.patch("dgn_tf.evaluation.expressions._STEPS", 20):
        said = run_app(evaluate, *given, *labels, f"--rival={rival}")
    assert said.status == 0, said.err
    report = json.loads((root / "run/evaluation/expressions/report.json").read_text())
    numbers = report["numbers"]
    assert list(numbers["accuracy"]) == [
        "displacement fields (ddf)", "geometric latents (dglf)",
        "motion codes (MoCoGAN's generator)", "pixels (PCA)",
    ]  # fmt: skip
    assert numbers["clips"] == 4 and numbers["persons"] == 2 and numbers["folds"] == 2
    assert set(numbers["models"]) == {"dynamic", "mocogan"}
    assert numbers["models"]["mocogan"]["latents"] == 2 + 3 * 1
    assert report["origin"]["rival"] == rival


def test_pictures_and_clips_do_not_mix(run_app, tiny_run, tmp_path):
    said = run_app(train, "--dry_run", "--model=dynamic")
    assert said.status == 2 and "are for --model=dynamic and mocogan" in said.err
    said = run_app(train, "--dry_run", "--frames=4", "--data=heads_clips")
    assert said.status == 2 and "--model=deformable --frames=4" in said.err
    said = run_app(evaluate, f"--run_dir={tiny_run.folder}", "--experiment=clips")
    assert said.status == 2 and "needs --model=dynamic" in said.err
