"""The program that exports, from end to end."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dgn_tf import export, infer, sample
from dgn_tf.runs.directory import Run
from dgn_tf.runs.restoring import load_run
from dgn_tf.runs.trained import load_trained
from dgn_tf.serving.lite import LiteModel
from dgn_tf.serving.saved_model import answers_of
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.ownership import LITE, RECORD, Ownership


@pytest.fixture(scope="module")
def exported(tiny_run, run_app, tmp_path_factory):
    root = tmp_path_factory.mktemp("exported")
    said = run_app(export, f"--run_dir={tiny_run.folder}", f"--output_dir={root}", "--name=tiny-1")
    assert said.status == 0, said.err
    return root / "tiny-1", said.out


def test_a_run_becomes_a_model_to_serve(exported, tiny_run):
    folder, said = exported
    assert f"{folder}/1: " in said and "-e MODEL_NAME=tiny-1 tensorflow/serving" in said
    _, model = load_run(tiny_run.folder)
    z = np.random.default_rng(0).standard_normal((3, 2)).astype("f")
    found = answers_of(folder / "1", {"serving_default": {"z_appearance": z}})["serving_default"]
    np.testing.assert_allclose(found["image"], (model({"appearance": z}) + 1) / 2, atol=1e-5)
    assert [p.name for p in folder.iterdir()] == ["1"]
    # The run's own principal directions, if it keeps any, go with it.
    kept = load_trained(str(tiny_run.folder), None).directions
    served = load_trained(None, str(folder)).directions
    np.testing.assert_array_equal(served["appearance"].axes, kept["appearance"].axes)
    assert (folder / "1" / "directions.npz").is_file()


def test_inference_uses_an_export_as_it_uses_the_run(exported, tiny_run, run_app, tmp_path):
    images = np.random.default_rng(5).integers(0, 256, (4, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "new.npz", images=images)
    given = (f"--data=npz:{tmp_path}/new.npz", "--steps=10", "--starts=1")
    edit = "--edit=appearance:1=2"
    for source in (f"--run_dir={tiny_run.folder}", f"--saved_model={exported[0]}"):
        out = tmp_path / source.split("=")[0][2:]
        said = run_app(infer, source, *given, edit, f"--output_dir={out}")
        assert said.status == 0, said.err
    found, wanted = (np.load(tmp_path / n / "latents.npz") for n in ("saved_model", "run_dir"))
    np.testing.assert_allclose(found["z_appearance"], wanted["z_appearance"], atol=1e-6)
    images = [
        np.asarray(Image.open(tmp_path / n / "edited" / "0.png"), int)
        for n in ("saved_model", "run_dir")
    ]
    assert np.abs(images[0] - images[1]).max() <= 1
    report = json.loads((tmp_path / "saved_model/report.json").read_text())
    assert report["run"] == str(exported[0])


def test_a_run_is_exported_without_its_latents(tiny_run, run_app, tmp_path):
    said = run_app(
        export, f"--run_dir={tiny_run.folder}", f"--output_dir={tmp_path}", "--nokeep_latents"
    )
    assert said.status == 0, said.err
    version, chains = tmp_path / "run" / "1", load_trained(str(tiny_run.folder), None).chains
    assert not (version / "latents.npz").exists()
    with np.load(version / "golden.npz", allow_pickle=False) as golden:
        asked = {name: z for name, z in golden.items() if name.endswith("inputs/z_appearance")}
    assert asked
    for z in asked.values():
        assert np.abs(chains["appearance"] - z).max(axis=1).min() > 1e-3
    # What is kept is enough to sample and to edit.
    out = f"--output={tmp_path}/samples.png"
    said = run_app(sample, f"--saved_model={version}", "--seeds=0-3", out, "--source=training")
    assert said.status == 0, said.err


def test_latents_are_left_out_of_a_saved_model_alone(tiny_run, run_app, tmp_path):
    flags = (f"--run_dir={tiny_run.folder}", f"--output_dir={tmp_path}/out", "--nokeep_latents")
    said = run_app(export, *flags, "--format=web")
    assert said.status == 2 and "--keep_latents belongs to --format=saved_model" in said.err
    assert not (tmp_path / "out").exists()


def test_the_card_has_the_numbers_of_these_weights_alone(tiny_run, capsys):
    run = Run(tiny_run.folder)
    folder = tiny_run.folder / "evaluation"
    for experiment, checkpoint in (("held_out", run.checkpoint), ("clips", "step-0000000001")):
        report = {"numbers": {"fit": {experiment: 2.5}}, "origin": {"checkpoint": checkpoint}}
        (folder / experiment).mkdir(parents=True)
        (folder / experiment / "report.json").write_text(json.dumps(report))
    try:
        assert export._metrics(run) == {"fit held_out": 2.5}
        assert "clips/report.json is of other weights" in capsys.readouterr().out
        for damaged in ("{", "[]", '{"numbers": {}}'):
            (folder / "clips" / "report.json").write_text(damaged)
            with pytest.raises(InputError, match="clips/report.json is damaged"):
                export._metrics(run)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "give either --run_dir, a training run, or --saved_model, an export"),
        (("--run_dir=a", "--saved_model=b"), "give either --run_dir"),
        (("--saved_model=none",), "--saved_model=none holds no exported model"),
    ],
)
def test_inference_names_a_model_that_is_not_there(run_app, tmp_path, flags, message):
    said = run_app(infer, *flags, "--data=heads", f"--output_dir={tmp_path}/out")
    assert said.status == 2 and message in said.err


def test_an_export_has_no_encoder_to_begin_with(exported, run_app, tmp_path):
    said = run_app(
        infer,
        f"--saved_model={exported[0]}",
        "--amortised",
        "--data=heads",
        f"--output_dir={tmp_path}/out",
    )
    assert said.status == 2
    assert f"--amortised: --saved_model={exported[0]} has no encoder." in said.err


def test_a_run_becomes_files_for_devices(tiny_run, run_app, tmp_path):
    command = (
        f"--run_dir={tiny_run.folder}",
        "--format=tflite",
        "--quantization=float16",
        f"--output_dir={tmp_path}",
        "--name=tiny",
    )
    for _ in range(2):
        said = run_app(export, *command)
        assert said.status == 0, said.err
    (line,) = [line for line in said.out.splitlines() if line.startswith("generator")]
    path = tmp_path / "tiny" / "generator_float16.tflite"
    assert line.split()[:3] == ["generator", "float16", f"{path.stat().st_size / 1e3:.1f}"]
    _, model = load_run(tiny_run.folder)
    z = np.array([[1.0, -1.0]], np.float32)
    wanted = (model({"appearance": tf.constant(z)}) + 1) / 2
    np.testing.assert_allclose(LiteModel(path)(z_appearance=z)["image"], wanted, atol=0.01)
    assert {p.name for p in path.parent.iterdir()} == {RECORD, path.name}
    # It takes the place of its own file, and never that of another one.
    Ownership(path.parent, LITE).remove()
    path.parent.mkdir()
    path.write_bytes(b"mine")
    said = run_app(export, *command)
    assert said.status == 2 and "is not recorded as an export of this program" in said.err
    assert path.read_bytes() == b"mine"


def test_an_export_becomes_files_for_devices(served, run_app, tmp_path):
    said = run_app(
        export,
        f"--saved_model={served.path}",
        "--format=tflite",
        "--quantization=float32",
        f"--output_dir={tmp_path}",
    )
    assert said.status == 0, said.err
    z = np.array([[1.0, -1.0]], np.float32)
    found = LiteModel(tmp_path / "heads" / "geometry_float32.tflite")(z_geometry=z)["displacement"]
    np.testing.assert_allclose(found, served.model.part("geometry", z), atol=1e-3)


def changed_run(tiny_run, tmp_path, change):
    folder = tmp_path / "run"
    shutil.copytree(tiny_run.folder, folder)
    if change == "unfinished":
        config = json.loads((folder / "config.json").read_text())
        config["learning"]["epochs"] = 5
        del config["checksum"]
        (folder / "config.json").write_text(json.dumps(config))
    elif change == "empty":
        shutil.rmtree(folder / "checkpoints")
    elif change == "last":
        newest = sorted((folder / "checkpoints").iterdir())[-1]
        (newest / "state.index").write_bytes(b"broken")
    elif change == "all":
        for path in (folder / "checkpoints").glob("*/state.index"):
            path.write_bytes(b"broken")
    elif change == "config":
        (folder / "config.json").write_text("{")
    elif change == "data":
        (folder / "data.json").write_text("{")
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "unfinished",
            "is not finished: the newest checkpoint that can be read is of step 9 of 15",
        ),
        ("empty", "has no checkpoint yet"),
        ("last", "is not finished: the newest checkpoint that can be read is of step 6 of 9"),
        ("all", "can be read: train again from the start"),
        ("config", "config.json: not a configuration"),
        ("data", "data.json is missing or damaged"),
    ],
)
def test_a_run_that_cannot_be_exported_says_why(tiny_run, run_app, tmp_path, change, message):
    folder = changed_run(tiny_run, tmp_path, change)
    said = run_app(export, f"--run_dir={folder}", f"--output_dir={tmp_path}/out")
    assert said.status == 2 and said.err.count("error: ") == 1
    assert message in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "give either --run_dir, a training run, or --saved_model, an export"),
        (("--run_dir=a", "--saved_model=EXPORT"), "give either --run_dir, a training run"),
        (("--saved_model=EXPORT",), "is a SavedModel already: give --format=tflite"),
    ],
)
def test_only_a_run_becomes_a_savedmodel(exported, run_app, flags, message):
    said = run_app(export, *(flag.replace("EXPORT", str(exported[0])) for flag in flags))
    assert said.status == 2 and message in said.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--run_dir=none",), "--run_dir=none holds no run"),
        (("--name=a/b",), "--name=a/b: must be letters"),
        (("--part=geometry",), "--part belongs to --format=tflite"),
        (("--format=tflite", "--part=geometry"), "has no such part; it has generator"),
        (("--format=tflite", "--amortised"), "--amortised belongs to --format=saved_model"),
        (("--amortised",), "has no encoder.keras: run dgn_tf.amortise"),
        (("--format=onnx",), "onnx"),
        (("--output_dir=FILE",), "run is a file"),
    ],
)
def test_what_makes_no_sense_is_refused(tiny_run, run_app, tmp_path, flags, message):
    (tmp_path / "run").touch()
    flags = [f"--output_dir={tmp_path}" if flag.endswith("FILE") else flag for flag in flags]
    said = run_app(export, f"--run_dir={tiny_run.folder}", f"--output_dir={tmp_path}/out", *flags)
    assert said.status == 2 and message in said.err
    assert not (tmp_path / "out").exists()
