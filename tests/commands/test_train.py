"""The training program: finished, misused, and what it says each time."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from refusals import refused

from dgn_tf import infer, train
from dgn_tf.runs.directory import Run
from dgn_tf.runs.restoring import find_encoder, load_run
from dgn_tf.training.callbacks import read_metrics
from dgn_tf.training.checkpoints import Checkpoints


def newest(folder):
    return Checkpoints(folder / "checkpoints").paths()[-1].name


def test_a_run_tells_what_it_does(tiny_run):
    lines = tiny_run.said.out.splitlines()
    settings = " ".join(" ".join(lines[: lines.index("data: 10 images of 32x32x1")]).split())
    assert settings.startswith(f"settings: --data=npz:{tiny_run.root}/data.npz --side=32 ")
    assert "--epochs=3" in settings and "--seed" not in settings
    assert "data: 10 images of 32x32x1" in lines
    assert "steps: 3 epochs of 3" in lines
    trained = f"Trained: {tiny_run.folder} holds model.keras, metrics.jsonl and samples/latest."
    run = f"--run_dir={tiny_run.folder}"
    assert lines[-5:] == [
        trained,
        "Next:",
        f"  dgn evaluate {run} --data=OTHER_IMAGES",
        f"  dgn sample {run} --output={tiny_run.folder}/samples.png",
        f"  dgn explore {run}",
    ]
    assert "epoch 3/3  step 9/9  MSRE " in tiny_run.said.err
    assert [row["step"] for row in read_metrics(tiny_run.folder / "metrics.jsonl")] == [3, 6, 9]


def test_a_finished_run_says_that_there_is_nothing_to_do(run_again, tensors):
    before = tensors(run_again.folder)
    (run_again.folder / "model.keras").unlink()
    said = run_again()
    assert said.status == 0
    expected = (
        f"Nothing to do: {run_again.folder} is trained for 3 epochs. Raise --epochs to go on."
    )
    assert said.out.splitlines()[-1] == expected
    # A run killed between its last checkpoint and its model gets the model.
    assert (run_again.folder / "model.keras").exists()
    after = tensors(run_again.folder)
    assert all(tensor.tobytes() == after[name].tobytes() for name, tensor in before.items())


def test_more_epochs_alone_go_on_from_the_end_with_the_settings_of_the_run(run_again, run_app):
    first = read_metrics(run_again.folder / "metrics.jsonl")
    said = run_app(train, f"--run_dir={run_again.folder}", "--epochs=5")
    assert said.status == 0, said.err
    assert said.out.splitlines()[-5].startswith("Trained: ")
    rows = read_metrics(run_again.folder / "metrics.jsonl")
    assert rows[:3] == first
    assert [row["step"] for row in rows] == [3, 6, 9, 12, 15]
    assert newest(run_again.folder) == "step-0000000015"
    assert Run(run_again.folder).config().learning.epochs == 5


def test_fresh_starts_over(run_again):
    for name in ("samples/me.png", "samples/latest/me.png"):
        (run_again.folder / name).write_text("mine")
    sheets = sorted(run_again.folder.glob("samples/epoch-*/sheet.png"))
    logs = sorted(run_again.folder.glob("tensorboard/train/*"))
    said = run_again("--fresh", "--epochs=1", "--sigma=0.5")
    assert said.status == 0, said.err
    assert [row["epoch"] for row in read_metrics(run_again.folder / "metrics.jsonl")] == [1]
    assert newest(run_again.folder) == "step-0000000003"
    assert Run(run_again.folder).config().learning.sigma == "0.5"
    assert sheets and logs and not any(path.exists() for path in (*sheets, *logs))
    assert (run_again.folder / "samples/me.png").read_text() == "mine"
    kept = "not written by this program: samples/latest/me.png, samples/me.png."
    assert f"Kept in {run_again.folder}, {kept}" in said.out


def photographs(folder, count=5, side=32):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("L", (side, side), 40 * number).save(folder / f"{number}.png")
    return sorted(path.name for path in folder.iterdir())


def test_photographs_in_a_folder_named_as_those_of_runs_are_not_removed(
    run_app, tiny_run, tmp_path
):
    names = photographs(tmp_path / "proj/samples")
    command = (*tiny_run.command, "--epochs=1", f"--data=folder:{tmp_path}/proj/samples")
    for fresh in ("--fresh", "--nofresh"):
        said = run_app(train, *command, f"--run_dir={tmp_path}/proj", fresh)
        assert said.status == 2, said.err
    assert sorted(p.name for p in (tmp_path / "proj/samples").iterdir()) == names
    # Nor where a run has come to be around them.
    assert run_app(train, *command, f"--run_dir={tmp_path}/run").status == 0
    (tmp_path / "proj/samples").rename(tmp_path / "run/photos")
    command = (*command, f"--data=folder:{tmp_path}/run/photos", f"--run_dir={tmp_path}/run")
    refused(run_app(train, *command, "--fresh"), "holds the data", "nothing in it is removed")
    assert sorted(p.name for p in (tmp_path / "run/photos").iterdir()) == names


def test_what_runs_and_inferences_have_written_is_not_data(run_app, tiny_run, tmp_path):
    photographs(tmp_path / "pics")
    command = (*tiny_run.command, f"--data=folder:{tmp_path}/pics")
    run = f"--run_dir={tmp_path}/pics/runs/a"
    assert run_app(train, *command, run, "--epochs=1").status == 0
    arguments = ("--steps=10", "--starts=1", f"--output_dir={tmp_path}/pics/out")
    said = run_app(infer, run, f"--data=folder:{tmp_path}/pics", *arguments)
    assert said.status == 0, said.err
    assert said.out.startswith("5 images")
    wrote = len(list(tmp_path.glob("pics/*/**/*.png")))
    said = run_app(train, *command, run, "--epochs=2")
    assert said.status == 0, said.err
    assert "data: 5 images of 32x32x1" in said.out
    (note,) = [line for line in said.err.splitlines() if "this program wrote" in line]
    assert note.startswith("warning: folder ")
    assert f"passed over {wrote} images that this program wrote" in note
    # Unless they are asked for by name.
    said = run_app(
        infer,
        run,
        f"--data=folder:{tmp_path}/pics/out/reconstructions",
        f"--output_dir={tmp_path}/out",
        *arguments[:2],
    )
    assert said.out.startswith("5 images"), said.err


def test_a_run_that_is_not_there_is_told_before_the_default_heads_are_learned(run_app, tmp_path):
    folder = tmp_path / "typo"
    said = run_app(train, f"--run_dir={folder}", "--epochs=3", "--limit=8", "--dry_run")
    assert said.status == 0, said.err
    first = f"No run in {folder}: a new one with the default heads, as neither --data nor --preset"
    assert said.out.startswith(first)
    for given in ("--data=heads", "--preset=debug"):
        said = run_app(train, f"--run_dir={folder}", "--limit=8", "--dry_run", given)
        assert said.status == 0 and "No run in" not in said.out


def test_unreadable_images_are_told_and_left_out(run_app, tiny_run, tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(5):
        Image.new("L", (40, 32), 50 * number).save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no image")
    command = (*tiny_run.command, f"--data=folder:{tmp_path}/photos", "--epochs=1")
    said = run_app(train, *command, f"--run_dir={tmp_path}/run")
    assert said.status == 0, said.err
    assert "data: 5 images of 32x32x1" in said.out
    assert "broken.jpg" in said.err
    (row,) = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert row["step"] == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("folder:{}/empty", "holds no image file"),
        ("folder:{}/missing", "does not exist"),
        ("npz:{}/missing.npz", "there is no such file"),
        ("photos", "photos does not exist: give a folder"),
        ("", "--data is needed: give a folder"),
    ],
)
def test_data_that_cannot_be_used_is_named(run_app, tiny_run, tmp_path, data, message):
    (tmp_path / "empty").mkdir()
    command = (*tiny_run.command, f"--data={data.format(tmp_path)}")
    refused(run_app(train, *command, f"--run_dir={tmp_path}/run"), message)
    # The same folder takes the corrected command.
    Run(tmp_path / "run").check(Run(tiny_run.folder).config())


def test_a_run_needs_a_folder(run_app, tiny_run, tmp_path):
    refused(run_app(train, *tiny_run.command), "--run_dir is needed")
    (tmp_path / "file").write_text("")
    refused(run_app(train, *tiny_run.command, f"--run_dir={tmp_path}/file"), "is a file")
    refused(
        run_app(train, *tiny_run.command, f"--run_dir={tmp_path}"), "something that is not a run"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_other_settings_are_named_and_change_nothing(run_again):
    before = (run_again.folder / "config.json").read_bytes()
    said = run_again("--sigma=0.5", "--langevin_steps=2", "--epochs=9", "--batch_size=2")
    refused(said, "--sigma=1 there, 0.5 now", "--langevin_steps=1 there, 2 now", "--fresh")
    assert "--epochs" not in said.err and "--batch_size" not in said.err
    assert said.out == ""
    assert (run_again.folder / "config.json").read_bytes() == before


def test_data_that_changed_is_named(run_app, run_again, tiny_run):
    # The data stay where the command says; what the run noted of them is altered instead.
    note = run_again.folder / "data.json"
    described = json.loads(note.read_text())
    del described["checksum"]
    note.write_text(json.dumps(described | {"examples": 12, "fingerprint": "another"}))
    refused(run_again(), "has changed since the run", "12 images then, 10 now", "--fresh")


def test_a_full_disk_in_any_app_is_one_line(run_app, tiny_run, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "data.json.partial")

    monkeypatch.setattr("dgn_tf.runs.directory.write_text", full)
    said = run_app(train, *tiny_run.command, f"--run_dir={tmp_path}/run")
    assert said.status == 1
    (line,) = said.err.splitlines()
    assert line.startswith(
        "error: a file cannot be written (No space left on device: data.json.partial)"
    )


def test_a_folder_in_use_is_refused(run_again):
    other = Run(run_again.folder)
    other.lock()
    refused(run_again(), "is working in it")
    del other


def test_a_dry_run_describes_the_default_networks_and_writes_nothing(run_app, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=images)
    command = ("--dry_run", f"--data=npz:{tmp_path}/data.npz", f"--run_dir={tmp_path}/run")
    said = run_app(train, *command)
    assert said.status == 0
    lines = said.out.splitlines()
    assert "parameters: 125,023 (appearance) + 238,994 (geometry)" in lines
    assert "data: 3 images of 64x64x3" in lines
    assert "steps: 1,000 epochs of 1" in lines
    assert "memory: about 0.2 GB for a step" in lines
    assert lines[-1].startswith("device: ")
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]


def test_a_frozen_network_stays_bit_for_bit_what_it_was(run_app, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=images, view=np.arange(8) % 2)
    command = (
        f"--data=npz:{tmp_path}/data.npz",
        "--side=32",
        "--channels=1",
        "--appearance_dim=2",
        "--geometry_dim=2",
        "--alpha=0.1",
        "--batch_size=4",
        "--langevin_steps=1",
        "--epochs=1",
        "--picture_epochs=1000",
    )
    assert run_app(train, *command, f"--run_dir={tmp_path}/first", "--limit=4").status == 0
    frozen = (
        *command,
        "--freeze=geometry",
        f"--init_from={tmp_path}/first",
        "--where=view=1",
        f"--run_dir={tmp_path}/second",
        "--mean_penalty=5",
    )
    said = run_app(train, *frozen)
    assert said.status == 0, said.err
    assert "data: 4 images of 32x32x1" in said.out.splitlines()
    assert " (geometry, frozen)" in said.out
    before, after = load_run(tmp_path / "first")[1], load_run(tmp_path / "second")[1]

    def same(name):
        pairs = zip(
            before.networks[name].get_weights(), after.networks[name].get_weights(), strict=True
        )
        return [old.tobytes() == new.tobytes() for old, new in pairs]

    assert all(same("geometry")) and not any(same("appearance"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--freeze=geometry"], "--freeze=geometry: --model=abp has no such network"),
        (["--init_from={0}/nothing"], "--init_from={0}/nothing holds no run"),
        (
            ["--init_from={0}/run", "--alpha=0.2", "--side=64"],
            "has other networks (--side=32 there, 64 here; --alpha=0.1 there, 0.2 here)",
        ),
        (["--where=view"], "--where=view: must be LABEL=VALUE"),
        (["--where=view=0"], "has no label 'view'; it has no labels"),
    ],
)
def test_a_beginning_that_cannot_be_is_named(run_app, tiny_run, tmp_path, arguments, message):
    arguments = [argument.format(tiny_run.root) for argument in arguments]
    said = run_app(train, *tiny_run.command, f"--run_dir={tmp_path}/run", *arguments)
    refused(said, message.format(tiny_run.root))


def test_a_model_with_an_encoder_trains_and_goes_on_exactly(run_app, tiny_run, tmp_path, tensors):
    command = (*tiny_run.command, "--model=vae", "--encoder_width=0.1", "--epochs=2")
    said = run_app(train, *command, f"--run_dir={tmp_path}/once")
    assert said.status == 0, said.err
    # Without its last checkpoint the same steps are done again.
    shutil.copytree(tmp_path / "once", tmp_path / "twice")
    shutil.rmtree(Checkpoints(tmp_path / "twice" / "checkpoints").paths()[-1])
    assert run_app(train, *command, f"--run_dir={tmp_path}/twice").status == 0
    once, twice = tensors(tmp_path / "once"), tensors(tmp_path / "twice")
    assert all(once[name].tobytes() == twice[name].tobytes() for name in once)
    assert not any(name.startswith("chains") for name in once)
    assert read_metrics(tmp_path / "once" / "metrics.jsonl")[-1]["divergence"] > 0


@pytest.mark.slow
def test_a_dynamic_model_begins_with_a_model_of_stills_and_its_encoder(run_app, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 32, 32), dtype=np.uint8)
    clip, frame = np.divmod(np.arange(12), 3)
    np.savez(tmp_path / "clips.npz", images=pixels, clip=clip, frame=frame)
    command = (
        f"--data=npz:{tmp_path}/clips.npz",
        "--side=32",
        "--channels=1",
        "--appearance_dim=2",
        "--geometry_dim=2",
        "--alpha=0.1",
        "--encoder_width=0.1",
        "--batch_size=4",
        "--langevin_steps=1",
        "--epochs=1",
        "--picture_epochs=1000",
        "--proposals=encoder",
        "--encoder_rate=1e-12",
        "--learning_rate=1e-12",
    )
    said = run_app(train, *command, "--stills=3", f"--run_dir={tmp_path}/stills")
    assert said.status == 0, said.err
    assert "data: 12 images of 32x32x1" in said.out.splitlines()
    clips = (*command, "--model=dynamic", "--frames=3", f"--init_from={tmp_path}/stills")
    said = run_app(train, *clips, "--emission=IV", f"--run_dir={tmp_path}/clips")
    assert said.status == 0, said.err
    (_, stills), (_, model) = load_run(tmp_path / "stills"), load_run(tmp_path / "clips")
    for old, new in zip(stills.get_weights(), model.emission.get_weights(), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-6)
    encoders = [find_encoder(tmp_path / name) for name in ("stills", "clips")]
    x = np.float32(pixels[:4, ..., None] / 127.5 - 1)
    guess = encoders[1](x[:, None])["geometry"][0]
    np.testing.assert_allclose(guess, encoders[0](x)["geometry"][0], atol=1e-5)
    # Table V has other layers.
    refused(run_app(train, *clips, f"--run_dir={tmp_path}/other"), "has other networks")
