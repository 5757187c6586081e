"""Clips learned, resumed, looked at and measured (E6), with a tiny dynamic model."""

import json
import shutil
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf import evaluate, infer, train
from dgn_tf.data.examples import Examples, as_bytes, as_float
from dgn_tf.data.synthetic import heads, heads_clips
from dgn_tf.evaluation.experiments.clips import clips, identity_r2, motion_r2
from dgn_tf.evaluation.experiments.expressions import describe
from dgn_tf.evaluation.metrics.errors import squared_errors
from dgn_tf.inference.posterior import Inference
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.dynamic import DynamicDeformableGenerator, TransitionNetwork
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.visualize.clips import decode_clips, frames_sheet, shown_frames
from dgn_tf.visualize.images import as_images

SIDE, FRAMES, COUNT = 32, 4, 12


def tiny(channels):
    keras.utils.set_random_seed(0)
    emission = DeformableGenerator(
        AppearanceGenerator(3, SIDE, channels, width=0.02, equalized=True, table="V"),
        GeometricGenerator(2, SIDE, equalized=True, table="V", width=0.05),
        jit_compile_warp=False,
    )
    transitions = {"appearance": TransitionNetwork(3, 1), "geometry": TransitionNetwork(2, 2)}
    return DynamicDeformableGenerator(emission, transitions, FRAMES - 1)


@pytest.fixture(scope="module")
def model():
    return tiny(3)


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
    enlarged = as_images(rows["b"][FRAMES - 1], 4)
    # The last image stands in the lower right corner, inside the margin.
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
        "reconstruction",
        "recombination",
        "traversal_appearance",
        "traversal_geometry",
        "shape",
        "generated",
    ]
    lengths = [len(figure.video) for figure in report.figures]
    # A traversal goes there and back; free generation is twice as long.
    assert lengths == [FRAMES, FRAMES, 24, 24, FRAMES, 2 * FRAMES]
    video = report.figures[0].video
    np.testing.assert_array_equal(
        video[2, 10 : 10 + 128, -10 - 128 : -10], as_images(people.images[2, 2], 4)
    )


def blank(factors, count):
    """Clips of which only the factors matter."""
    images = np.zeros((count, FRAMES, SIDE, SIDE, 1), np.uint8)
    return Examples(images, np.arange(count), tuple(map(str, range(count))), factors)


def test_identity_is_read_from_where_it_is_put(model):
    rng = np.random.default_rng(0)
    z = latents(model, 200)
    factors = {name: rng.standard_normal((200, 3)) for name in heads.APPEARANCE}
    factors["skin"] = z["appearance"][:, :3] + 0.0
    # Head width is the geometry's first latent; the motion does not know it.
    factors["width"] = np.repeat(z["geometry"][:, :1], FRAMES, axis=1)
    factors["person"] = np.arange(200)
    found = identity_r2(model, z, blank(factors, 200))
    assert found["skin"]["Z^a_0"] > 0.99 and found["skin"]["Z^g_0"] < 0.1
    assert found["width"]["Z^g_0"] > 0.99 and found["width"]["motion s^g"] < 0.1


def test_identity_is_not_read_from_who_was_seen(model):
    # Six clips a person, whose looks the latents tell only by telling who it is.
    persons = np.repeat(np.arange(20), 6)
    rng = np.random.default_rng(1)
    z = latents(model, 120)
    z["appearance"][:, :3] = rng.standard_normal((20, 3))[persons]
    factors = {name: rng.standard_normal((20, 1))[persons] for name in heads.APPEARANCE}
    factors["width"] = np.repeat(factors["skin"], FRAMES, axis=1)
    found = identity_r2(model, z, blank(factors | {"person": persons}, 120))
    assert max(values["Z^a_0"] for values in found.values()) < 0.3


def test_motion_is_read_frame_by_frame(model):
    z = latents(model, 50)
    frames = model.frame_latents("geometry", z["geometry"]).numpy()
    rng = np.random.default_rng(2)
    factors = {name: rng.standard_normal((50, FRAMES)) for name in heads.GEOMETRY}
    factors["yaw"] = 3 * frames[..., 1] + 1
    found = motion_r2(model, z, blank(factors | {"person": np.arange(50)}, 50))
    assert found["yaw"]["Z^g_t"] > 0.99 and found["yaw"]["Z^a_t"] < 0.1
    assert "width" not in found and found["pitch"]["Z^g_t"] < 0.1


def test_gray_clips_are_compared_with_gray_truth(people):
    model = tiny(1)
    few = people.subset(np.arange(2))
    weights = np.array([299, 587, 114]) / 1000
    gray = np.rint(few.images @ weights).astype(np.uint8)[..., None]
    test = Examples(gray, few.ids, few.names, few.factors)
    report = clips(model, test, test, latents(model, 2), seed=5)
    # Two clips: each has the motion of the other.
    motion = {name: few.factors[name][::-1] for name in heads.GEOMETRY}
    truth = heads_clips.render_clips(few.factors, motion, SIDE) @ weights / 255
    expected = np.square(test.images[..., 0] / 255 - truth).sum((2, 3)).mean()
    found = report.numbers["recombination"]["not_recombined"]
    assert found == pytest.approx(expected, rel=0.02)
    # Fewer than five persons: nothing to cross-validate.
    assert "identity" not in report.numbers


def test_descriptions_are_of_the_clip_and_frame_that_they_name(model, people):
    z = latents(model)
    sequences, facts = describe({"dynamic": (model, z)}, people)
    made, parts = decode_clips(model, z)
    fields = sequences["displacement fields (ddf)"]
    np.testing.assert_allclose(fields[5, 2], parts["geometry"][5, 2].reshape(-1), atol=1e-4)
    codes = sequences["geometric latents (dglf)"]
    np.testing.assert_allclose(codes, model.frame_latents("geometry", z["geometry"]), atol=1e-5)
    pixels = sequences["pixels (PCA)"]
    np.testing.assert_allclose(pixels[5, 2], as_float(people.images[5, 2]).reshape(-1), atol=1e-5)
    error = squared_errors(
        made.reshape(-1, SIDE, SIDE, 3), as_float(people.images).reshape(-1, SIDE, SIDE, 3)
    ).mean()
    assert facts == (("dynamic", model.count_params(), 14, pytest.approx(error, rel=1e-4)),)


def test_inference_of_a_clip_starts_standing_still(model):
    z = latents(model, 2)
    infer = Inference(model, steps=10, starts=3, step_size=0.05)
    x = tf.constant(decode_clips(model, z)[0])
    starts = infer.starts_of(x, infer._library, {})
    for name, dim in model.frame_dims.items():
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
        f"--data=npz:{root}/train.npz:images",
        "--model=dynamic",
        "--frames=3",
        "--side=32",
        "--channels=1",
        "--width=0.02",
        "--appearance_dim=2",
        "--geometry_dim=2",
        "--appearance_noise_dim=1",
        "--geometry_noise_dim=1",
        "--appearance_scheme=2",
        "--geometry_scheme=2",
        "--batch_size=3",
        "--langevin_steps=1",
        "--epochs=2",
        "--checkpoint_epochs=1",
        "--picture_epochs=2",
        f"--run_dir={root}/run",
    )
    said = run_app(train, *command)
    assert said.status == 0, said.err
    assert "data: 4 clips of 3 frames of 32x32x1" in said.out.splitlines()
    return root, command


@pytest.mark.slow
def test_a_run_on_clips_goes_on_exactly(clip_run, run_app, tensors, tmp_path):
    root, command = clip_run
    assert (root / "run/samples/latest/sheet.png").exists()
    assert (root / "run/samples/latest/traversal_geometry.png").exists()
    shutil.copytree(root / "run", tmp_path / "again")
    shutil.rmtree(Checkpoints(tmp_path / "again/checkpoints").paths()[-1])
    assert run_app(train, *command[:-1], f"--run_dir={tmp_path}/again").status == 0
    once, twice = tensors(root / "run"), tensors(tmp_path / "again")
    assert all(once[name].tobytes() == twice[name].tobytes() for name in once)


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_program_recognizes_beside_a_rival(clip_run, run_app):
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
    table = root / "x.csv"
    table.write_text("clip,label\n")
    refused = run_app(evaluate, *given, f"--labels={table}")
    assert refused.status == 2 and "belongs to clips:PATH" in refused.err
    refused = run_app(evaluate, *given, "--label=mood", "--person=mood", "--limit=1")
    assert refused.status == 2 and "there are 1 and 1" in refused.err
    refused = run_app(evaluate, *given, f"--rival={root}/run")
    assert refused.status == 2 and "needs `model=mocogan`, but --rival=" in refused.err
    refused = run_app(evaluate, f"--run_dir={rival}", "--experiment=expressions")
    assert refused.status == 2 and "needs `model=dynamic`, but" in refused.err
    refused = run_app(evaluate, *given[:1], "--label=mood")
    assert refused.status == 2 and "--label belongs to --experiment=expressions" in refused.err

    def recognize(values, labels, persons, folds, seed, done):
        # How well it learns is judged elsewhere.
        assert values.shape[:2] == (4, 3) and folds == 2
        done(folds)
        return labels, np.unique(persons, return_inverse=True)[1]

    fast = mock.patch("dgn_tf.evaluation.experiments.expressions.recognize", recognize)
    with fast:
        said = run_app(evaluate, *given, *labels, f"--rival={rival}")
    assert said.status == 0, said.err
    report = json.loads((root / "run/evaluation/expressions/report.json").read_text())
    numbers = report["numbers"]
    assert list(numbers["accuracy"]) == [
        "displacement fields (ddf)",
        "geometric latents (dglf)",
        "motion codes (MoCoGAN's generator)",
        "pixels (PCA)",
    ]
    assert numbers["clips"] == 4 and numbers["persons"] == 2 and numbers["folds"] == 2
    assert set(numbers["models"]) == {"dynamic", "mocogan"}
    assert numbers["models"]["mocogan"]["latents"] == 2 + 3 * 1
    assert report["origin"]["rival"]["config"]["model"]["model"] == "mocogan"
    assert report["origin"]["data"]["person"] == "actor"
    # Other clips are inferred.
    other = f"--data=npz:{root}/test.npz:images"
    with fast:
        said = run_app(evaluate, *given, *labels, other)
    assert said.status == 0, said.err
    again = json.loads((root / "run/evaluation/expressions/report.json").read_text())
    error = again["numbers"]["models"]["dynamic"]["error"]
    assert error != numbers["models"]["dynamic"]["error"]


@pytest.mark.slow
def test_expressions_are_told_from_the_frames_of_a_run_on_stills(clip_run, run_app):
    root, _ = clip_run
    said = run_app(
        train,
        f"--data=npz:{root}/train.npz:images",
        "--stills=3",
        "--side=32",
        "--channels=1",
        "--alpha=0.05",
        "--appearance_dim=2",
        "--geometry_dim=2",
        "--batch_size=6",
        "--langevin_steps=1",
        "--epochs=1",
        f"--run_dir={root}/stills",
    )
    assert said.status == 0, said.err
    given = (f"--run_dir={root}/stills", "--experiment=expressions", "--steps=5", "--starts=1")
    labels = ("--label=mood", "--person=actor")
    refused = run_app(evaluate, *given, *labels, f"--rival={root}/run")
    assert refused.status == 2 and "is for runs on clips" in refused.err

    def recognize(values, labels, persons, folds, seed, done):
        assert values.shape[:2] == (4, 3) and labels.tolist() == [0, 1, 0, 1]
        done(folds)
        return labels, np.unique(persons, return_inverse=True)[1]

    with mock.patch("dgn_tf.evaluation.experiments.expressions.recognize", recognize):
        said = run_app(evaluate, *given, *labels)
    assert said.status == 0, said.err
    numbers = json.loads((root / "stills/evaluation/expressions/report.json").read_text())[
        "numbers"
    ]
    assert set(numbers["accuracy"]) == {
        "displacement fields (ddf)",
        "geometric latents (dglf)",
        "pixels (PCA)",
    }
    assert numbers["clips"] == 4
    # Of each frame its own latents.
    assert numbers["models"]["deformable"]["latents"] == 3 * (2 + 2)
    assert numbers["models"]["deformable"]["error"] > 0


@pytest.mark.slow
def test_a_rival_of_other_clips_is_refused(clip_run, run_app):
    root, command = clip_run
    other = tuple(flag.replace("train.npz", "test.npz") for flag in command[:-1])
    said = run_app(train, *other, "--model=mocogan", f"--run_dir={root}/other", "--epochs=1")
    assert said.status == 0, said.err
    said = run_app(
        evaluate, f"--run_dir={root}/run", "--experiment=expressions", f"--rival={root}/other"
    )
    assert said.status == 2 and "was learned from other clips than" in said.err


def test_images_and_clips_do_not_mix(run_app, tiny_run, tmp_path):
    said = run_app(train, "--dry_run", "--model=dynamic")
    assert said.status == 2 and "are for --model=dynamic and mocogan" in said.err
    said = run_app(train, "--dry_run", "--frames=4", "--data=heads_clips")
    assert said.status == 2 and "--model=deformable --frames=4" in said.err
    said = run_app(evaluate, f"--run_dir={tiny_run.folder}", "--experiment=clips")
    assert said.status == 2
    assert f"is for clips, but --run_dir={tiny_run.folder} holds a model of images" in said.err
