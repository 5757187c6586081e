"""Runs that go on: from elsewhere, without what they began with, with other settings and data."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgn_tf import amortise, evaluate, pack, train
from dgn_tf.config import InferenceConfig
from dgn_tf.data.examples import stable_id
from dgn_tf.data.measured import overlap
from dgn_tf.runs import training
from dgn_tf.runs.directory import Run
from dgn_tf.runs.evaluated import EvaluatedRun
from dgn_tf.runs.restoring import load_finished_run
from dgn_tf.training.callbacks import read_metrics
from dgn_tf.training.chains import read_chains
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.utils.errors import InputError


def write_images(folder, names, seed=0):
    """Different images; the same name has the same one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        pixels = np.random.default_rng([seed, *name.encode()]).integers(0, 256, (32, 32))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)


@pytest.fixture(scope="module")
def begun(run_app, tiny_run, tmp_path_factory):
    """A folder with pics/ and a run of one epoch on it; `begun.train(*arguments)`."""
    root = tmp_path_factory.mktemp("begun")
    write_images(root / "pics", [f"{n}.png" for n in range(10)])
    settings = [s for s in tiny_run.command if not s.startswith(("--data=", "--epochs="))]
    said = run_app(
        train, *settings, f"--data=folder:{root}/pics", f"--run_dir={root}/run", "--epochs=1"
    )
    assert said.status == 0, said.err
    return root, settings


@pytest.fixture
def place(begun, tmp_path, monkeypatch, run_app):
    """A copy of it, in a working directory of its own; `place.train` goes on there."""
    root, settings = begun
    shutil.copytree(root, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")

    def call(*arguments, epochs=2, run="run"):
        return run_app(train, *settings, f"--run_dir={run}", f"--epochs={epochs}", *arguments)

    call.folder = tmp_path / "work"
    return call


def steps(run="run"):
    return [row["step"] for row in read_metrics(f"{run}/metrics.jsonl")]


def killed(*_, **__):
    """In the place of a function, the end of the process."""
    raise KeyboardInterrupt


def test_data_are_known_however_they_are_named(place, monkeypatch):
    os.symlink("pics", "link")
    absolute = f"folder:{place.folder}/pics"
    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", killed)
        for data in ("folder:pics/", "pics", "./pics/../pics", absolute, "folder:link"):
            with pytest.raises(KeyboardInterrupt):
                place(f"--data={data}")
            named = data if data.startswith("folder:") else f"folder:{data}"
            assert Run("run").config().data.data == named
            assert f"--data={named}" in (place.folder / "run/flags.cfg").read_text().splitlines()
    said = place("--data=folder:pics")
    assert said.status == 0, said.err
    assert steps() == [3, 6]


def test_data_and_run_may_move(place, monkeypatch, run_app):
    shutil.move("pics", "elsewhere")
    shutil.move("run", "other run")
    (place.folder / "deep").mkdir()
    monkeypatch.chdir("deep")
    said = place("--data=folder:../elsewhere", run="../other run")
    assert said.status == 0, said.err
    assert steps("../other run") == [3, 6]
    # A copy in another form is the same data too.
    size = ("--side=32", "--channels=1")
    assert run_app(pack, "--data=../elsewhere", "--output=packed", *size).status == 0
    said = place("--data=packed", run="../other run", epochs=3)
    assert said.status == 0, said.err
    assert steps("../other run") == [3, 6, 9]


def test_a_run_without_its_data_is_measured_and_says_what_it_lacks(place, monkeypatch, run_app):
    write_images(place.folder / "others", [f"{n}.png" for n in range(6)], seed=1)
    os.rename("pics", "away")
    config = Run("run").config()
    data = dataclasses.replace(config.data, data="folder:pics")
    Path("run/config.json").write_text(dataclasses.replace(config, data=data).to_json())
    for command in (train, amortise):
        said = run_app(command, "--run_dir=run", "--epochs=2")
        lacks = f"error: pics (seen from {place.folder}), which the run has learned from, is not"
        assert said.status == 2 and said.err.startswith(lacks), command
    quick = ("--steps=2", "--starts=1", "--data=others")
    said = run_app(evaluate, "--run_dir=run", *quick)
    assert said.status == 0 and "such as baselines, is left out" in said.err
    # What lies there by now is something else.
    os.rename("others", "pics")
    os.rename("away", "others")
    said = run_app(evaluate, "--run_dir=run", *quick)
    assert said.status == 0 and "folder:pics has changed since the run learned from it" in said.err


def test_other_data_are_told_from_those_of_before(place, begun):
    write_images(place.folder / "more", [f"{n}.png" for n in range(12)])
    said = place("--data=folder:more")
    assert said.status == 2
    assert f"--data=folder:more is not folder:{begun[0]}/pics, with which" in said.err
    assert "(10 images then, 12 now), and a run keeps the latents of each" in said.err
    # The same names do not make the same data.
    write_images(place.folder / "others", [f"{n}.png" for n in range(10)], seed=1)
    assert "(10 images then, other ones now)" in place("--data=folder:others").err
    assert steps() == [3]


def test_data_that_a_run_was_trained_on_are_known_by_their_place(place):
    run = EvaluatedRun("run", "held_out", InferenceConfig())
    with pytest.raises(InputError, match="is what the run was trained on"):
        run.held_out("data", f"{os.path.dirname(run.config.data.data[7:])}/./pics", 5)
    assert overlap(("npz:a.npz:test", ""), ("npz:./a.npz", ""))
    assert not overlap(("npz:a.npz:test", ""), ("npz:a.npz:train", ""))
    assert not overlap(("", ""), ("heads", ""))


def test_a_run_goes_on_without_the_run_that_it_began_with(place, tensors):
    begin = ("--data=folder:pics", "--init_from=run")
    assert place(*begin, run="second", epochs=1).status == 0
    shutil.copytree("second", "third")
    assert place(*begin, run="second").status == 0
    shutil.rmtree("run")
    # As it was, and left out.
    for arguments in (begin, begin[:1]):
        shutil.copytree("third", "fourth")
        said = place(*arguments, run="fourth")
        assert said.status == 0, said.err
        assert Run("fourth").config().learning.init_from == "run"
        wanted, found = tensors(place.folder / "second"), tensors(place.folder / "fourth")
        assert all(wanted[name].tobytes() == found[name].tobytes() for name in wanted)
        shutil.rmtree("fourth")


def test_the_run_that_another_began_with_may_move_but_not_change(place):
    assert place("--data=folder:pics", "--init_from=run", run="second", epochs=1).status == 0
    shutil.copytree("run", "moved")
    for name in ("./run/", f"{place.folder}/run", "moved"):
        said = place("--data=folder:pics", f"--init_from={name}", run="second", epochs=1)
        assert said.status == 0, said.err
    shutil.copytree("moved", "trained on")
    assert place("--data=folder:pics", run="trained on").status == 0
    said = place("--data=folder:pics", "--init_from=trained on", run="second")
    assert said.status == 2 and "--run_dir=second began with the networks of moved" in said.err
    said = place("--data=folder:pics", "--init_from=second", run="run")
    assert said.status == 2 and "--run_dir=run began with new networks" in said.err


def chains(run="run"):
    """{id: latents} of the newest checkpoint."""
    ids, states = read_chains(Checkpoints(Run(run) / "checkpoints").paths()[-1])
    return dict(zip(ids.tolist(), np.concatenate(list(states.values()), 1).tolist(), strict=True))


@pytest.mark.slow
def test_more_epochs_are_those_of_a_longer_run_where_nothing_follows_fractions(place, tensors):
    rate = ("--data=folder:pics", "--learning_rate=1e-3")
    assert place(*rate, run="long", epochs=3).status == 0
    assert place(*rate, run="short", epochs=1).status == 0
    said = place(*rate, run="short", epochs=3)
    told = "Goes on with --epochs=3 (1 before): by itself this changes no number"
    assert told in said.out
    wanted, found = tensors(place.folder / "long"), tensors(place.folder / "short")
    assert all(wanted[name].tobytes() == found[name].tobytes() for name in wanted)
    assert "settings that change at fractions" in place("--data=folder:pics", epochs=2).out


def test_another_batch_size_and_learning_rate_go_on(place):
    other = ("--data=folder:pics", "--batch_size=2", "--learning_rate=1e-4")
    said = place(*other, epochs=3)
    assert said.status == 0, said.err
    told = "Goes on with --batch_size=2 (4 before) and --learning_rate=1e-4 (0:1e-3,"
    assert told in said.out and "of no run that had these settings throughout" in said.out
    # Not that they are those of a run of as many epochs, which began with other batches.
    assert "from the start" not in said.out
    # Steps go on counting: 3 of four images, then 5 of two in each epoch.
    assert steps() == [3, 8, 13]
    assert Run("run").config().learning.batch_size == 2
    said = place(*other, epochs=3)
    assert "Nothing to do: run is trained for 3 epochs" in said.out
    assert "Goes on with" not in said.out
    # Fewer epochs than it has are nothing that it would go on with.
    said = place(*other, epochs=2)
    assert "Nothing to do: run is trained for 3 epochs" in said.out
    assert Run("run").config().learning.epochs == 3
    assert "Goes on with" not in said.out
    load_finished_run("run")
    said = place("--data=folder:pics", "--batch_size=10", epochs=4)
    assert steps() == [3, 8, 13, 14]


def test_an_encoder_of_the_weights_before_is_told_to_be_removed(place):
    (place.folder / "run/encoder.keras").write_text("of dgn_tf.amortise")
    said = place("--data=folder:pics")
    assert "dgn_tf.amortise has learned is of the networks as they were, and is removed" in said.out
    assert not (place.folder / "run/encoder.keras").exists()
    assert "dgn_tf.amortise" not in place("--data=folder:pics", epochs=3).out


def test_a_change_that_was_cut_short_is_taken_up_again(place, monkeypatch):
    other = ("--data=folder:pics", "--batch_size=2")
    with monkeypatch.context() as patch:
        # The steps of before are told by the checkpoint, whatever the settings say by now.
        patch.setattr(training, "fit", killed)
        with pytest.raises(KeyboardInterrupt):
            place(*other)
    assert place(*other).status == 0
    assert steps() == [3, 8]


def test_a_run_without_its_checkpoints_is_not_replaced(place):
    shutil.rmtree("run/checkpoints")
    before = Path("run/model.keras").read_bytes()
    said = place("--data=folder:pics")
    assert said.status == 2 and "--run_dir=run has no checkpoints any more" in said.err
    assert Path("run/model.keras").read_bytes() == before
    os.remove("run/model.keras")
    assert place("--data=folder:pics").err == said.err
    said = place("--data=folder:pics", "--fresh", epochs=1)
    assert said.status == 0 and steps() == [3]


def test_checkpoints_that_do_not_say_their_batch_size_are_of_the_runs(place):
    (path,) = [p / "progress.json" for p in Checkpoints("run/checkpoints").paths()[-1:]]
    row = json.loads(path.read_text())
    older = {name: row[name] for name in ("step", "sums", "rescues", "files")}
    path.write_text(json.dumps(older))
    assert place("--data=folder:pics", "--batch_size=2").status == 0
    assert steps() == [3, 8]


def test_chains_stay_with_their_images_when_others_come_and_go(place):
    before = chains()
    known = {name: stable_id(name.encode()) for name in os.listdir("pics")}
    os.remove("pics/0.png")
    os.rename("pics/1.png", "pics/renamed.png")
    write_images(place.folder / "pics", ["new.png", "newer.png"])
    refused = place("--data=folder:pics", epochs=1)
    assert refused.status == 2 and "Give --data_changed to go on with" in refused.err
    said = place("--data=folder:pics", "--data_changed", epochs=1)
    assert said.status == 0, said.err
    assert "9 examples are kept (1 renamed), 2 added, 1 dropped" in said.out
    assert "of no run that had these data throughout" in said.out
    # Nothing was left to learn: the chains are where they were.
    after = chains()
    assert len(after) == 11
    for name, old in known.items():
        if name not in ("0.png", "1.png"):
            assert after[old] == before[old]
    assert after[stable_id(b"renamed.png")] == before[known["1.png"]]
    said = place("--data=folder:pics", epochs=2)
    assert said.status == 0, said.err
    assert "have changed" not in said.out and "data: 11 images" in said.out
    assert steps() == [3, 6]


def test_rows_of_a_file_that_move_up_keep_their_chains(place):
    images = np.random.default_rng(1).integers(0, 256, (10, 32, 32), dtype=np.uint8)
    np.savez("data.npz", images=images)
    assert place("--data=data.npz", run="rows", epochs=1).status == 0
    before = chains("rows")
    np.savez("data.npz", images=images[3:])
    said = place("--data=data.npz", "--data_changed", run="rows", epochs=1)
    assert "7 examples are kept (7 renamed), 0 added, 3 dropped" in said.out
    # Killed before it had noted the change, it would come here again.
    assert chains("rows") == {row: before[row + 3] for row in range(7)}
    assert place("--data=data.npz", run="rows", epochs=2).status == 0


def test_a_change_of_the_data_that_was_cut_short_is_taken_up_again(place, monkeypatch):
    images = np.random.default_rng(1).integers(0, 256, (10, 32, 32), dtype=np.uint8)
    np.savez("data.npz", images=images)
    assert place("--data=data.npz", run="rows", epochs=1).status == 0
    before = chains("rows")
    np.savez("data.npz", images=images[::-1])

    changed = ("--data=data.npz", "--data_changed")
    with monkeypatch.context() as patch:
        # The chains are saved in their new order, and the run still knows the old one.
        patch.setattr(Run, "begin", killed)
        with pytest.raises(KeyboardInterrupt):
            place(*changed, run="rows", epochs=1)
    assert place(*changed, run="rows", epochs=1).status == 0
    assert chains("rows") == {row: before[9 - row] for row in range(10)}


def test_classes_keep_their_numbers_when_a_folder_is_gone(place):
    for kind in ("ants", "bees", "cats"):
        write_images(place.folder / "kinds" / kind, [f"{kind}{n}.png" for n in range(4)])
    labeled = (
        "--data=folder:kinds",
        "--model=deformable",
        "--appearance=label",
        "--appearance_dim=3",
        "--geometry_dim=2",
    )
    assert place(*labeled, run="kinds_run", epochs=1).status == 0
    os.remove("kinds/ants/ants0.png")
    shutil.move("kinds/bees", "bees")
    said = place(*labeled, "--data_changed", run="kinds_run", epochs=1)
    assert said.status == 2 and "no example has the label 1" in said.err
    shutil.move("bees", "kinds/bees")
    said = place(*labeled, "--data_changed", run="kinds_run", epochs=1)
    assert said.status == 0, said.err
    ids, states = read_chains(Checkpoints(Run("kinds_run") / "checkpoints").paths()[-1])
    wanted = [stable_id(f"{k}/{k}{n}.png".encode()) for k in ("bees", "cats") for n in range(4)]
    labels = dict(zip(ids.tolist(), states["appearance"].argmax(1).tolist(), strict=True))
    assert [labels[id_] for id_ in wanted] == [1] * 4 + [2] * 4


def test_a_model_with_an_encoder_goes_on_with_other_data(place):
    encoded = ("--model=vae", "--encoder_width=0.1", "--data=folder:pics")
    assert place(*encoded, run="vae", epochs=1).status == 0
    write_images(place.folder / "pics", ["new.png"])
    said = place(*encoded, "--data_changed", run="vae")
    assert said.status == 0, said.err
    assert "10 examples are kept, 1 added, 0 dropped" in said.out
