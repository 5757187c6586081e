"""A run's folder: what may start or go on in it, its lock, and the model taken from it."""

import dataclasses

import keras
import numpy as np
import pytest

from dgn_tf.config import Config, DataConfig, ModelConfig, OutputConfig, TrainingConfig
from dgn_tf.data.examples import Examples
from dgn_tf.models.factory import make_model
from dgn_tf.runs.directory import Run
from dgn_tf.runs.restoring import load_run
from dgn_tf.training.checkpoints import Checkpoints, Progress
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.ownership import (
    LOGS,
    RECORD,
    REPORT,
    RESULTS,
    SHEETS,
    Ownership,
    files_under,
)

CONFIG = Config(
    data=DataConfig(data="npz:a.npz", side=32, channels=1),
    model=ModelConfig(model="abp", appearance_dim=2, alpha=0.1),
    learning=TrainingConfig(epochs=3),
)


def examples(count=2):
    return Examples(
        np.full((count, 32, 32, 1), count, np.uint8), np.arange(count), tuple("abcd"[:count])
    )


def changed(section, **values):
    return dataclasses.replace(
        CONFIG, **{section: dataclasses.replace(getattr(CONFIG, section), **values)}
    )


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run")
    run.lock()
    run.begin(CONFIG, examples())
    return run


def test_a_new_or_empty_folder_may_start(tmp_path):
    Run(tmp_path / "new").check(CONFIG)
    assert not (tmp_path / "new").exists()
    Run(tmp_path).check(CONFIG)


def test_the_settings_are_kept_as_they_were(run):
    run.check(CONFIG)
    assert run.config() == CONFIG
    assert "--data=npz:a.npz\n" in (run / "flags.cfg").read_text()
    files = {p.name for p in run.folder.iterdir()}
    assert files == {".lock", RECORD, "config.json", "flags.cfg", "data.json", "examples.npz"}


def test_settings_that_change_numbers_are_named_with_both_values(run):
    other = dataclasses.replace(
        changed("learning", sigma="0.5", epochs=9), model=dataclasses.replace(CONFIG.model, alpha=2)
    )
    with pytest.raises(InputError) as error:
        run.check(other)
    message = str(error.value)
    assert f"`run_dir={run.folder}` was begun with other settings" in message
    assert "`alpha=0.1` there, 2.0 now" in message
    assert "`sigma=0:1.5,0.1:1.0` there, 0.5 now" in message
    assert "epochs" not in message
    assert "`fresh`" in message
    run.check(other, fresh=True)


def test_other_choices_of_examples_need_the_word_that_is_named(run):
    other = changed("data", limit=1)
    with pytest.raises(InputError, match="use the same, `data_changed` to go on with other"):
        run.check(other)
    run.check(other, data_changed=True)
    both = dataclasses.replace(other, learning=changed("learning", sigma="0.5").learning)
    with pytest.raises(InputError, match="use the same, another `run_dir`"):
        run.check(both, data_changed=True)


def test_settings_that_change_no_number_may_differ(run):
    run.check(changed("learning", epochs=9))
    run.check(changed("data", data_dir="elsewhere"))
    run.check(
        dataclasses.replace(
            CONFIG, record=OutputConfig(checkpoint_epochs=2, keep_checkpoints=5, picture_epochs=7)
        )
    )


def test_a_file_is_no_run_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"`run_dir=.*file` is a file: name a folder"):
        Run(tmp_path / "file").check(CONFIG)


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(InputError, match="holds something that is not a run .thesis.txt."):
        Run(tmp_path).check(CONFIG)
    # Settings of something else do not make it a run.
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="`fresh` removes nothing there"):
        Run(tmp_path).check(CONFIG, fresh=True)


def test_what_a_killed_start_leaves_may_be_started_again(run):
    (run / "config.json").unlink()
    for name in (".lock", "config.json.partial", ".partial-flags.cfg"):
        (run / name).write_text("")
    run.check(CONFIG)
    run.check(CONFIG, fresh=True)
    # Versions that kept no record wrote what is known of the data before anything else.
    (run / RECORD).unlink()
    run.check(CONFIG)


@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "data.json", "report.json", "samples/me.png", "checkpoints/thesis"]
)
@pytest.mark.parametrize("fresh", [False, True])
def test_names_that_a_run_uses_do_not_make_a_folder_one(tmp_path, name, fresh):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('{"mine": 1}')
    with pytest.raises(InputError, match="is not a run|`fresh` removes nothing"):
        Run(tmp_path).check(CONFIG, fresh)


def test_settings_that_cannot_be_read_are_named(run):
    (run / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config.json: not a configuration"):
        run.check(CONFIG)


def test_a_second_process_is_kept_out_until_the_first_ends(tmp_path):
    first = Run(tmp_path / "run")
    first.lock()
    second = Run(tmp_path / "run")
    with pytest.raises(InputError, match="is working in it"):
        second.lock()
    del first
    second.lock()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"`run_dir=.*/file/run` cannot be written"):
        Run(tmp_path / "file" / "run").lock()


def test_data_that_changed_is_refused(run):
    run.begin(CONFIG, examples())
    with pytest.raises(InputError, match=r"`data=npz:a.npz` has changed .*\(2 .* then, 3 now\)"):
        run.begin(CONFIG, examples(3))
    altered = dataclasses.replace(examples(), images=np.zeros((2, 32, 32, 1), np.uint8))
    with pytest.raises(InputError, match="has changed since"):
        run.begin(CONFIG, altered)


WRITTEN = (
    "metrics.jsonl",
    "model.keras",
    "directions.npz",
    ".partial-directions.npz",
    "partial.keras",
    "checkpoints/step-0000000009/state.index",
    "checkpoints/step-0000000009/chains-0000000000-0000000010.npz",
    "checkpoints/partial-0000000012/state.data-00000-of-00001",
    "samples/latest/sheet.png",
    "samples/epoch-000003/traversal_geometry.png",
    "tensorboard/train/events.out.tfevents.1.host.2.3.v2",
    "evaluation/held_out/report.html",
    "evaluation/held_out/recombination.png",
)
OF_OTHERS = (
    "notes.txt",
    "report.json",
    "checkpoints/step-0000000009/notes.txt",
    "checkpoints/step-0000000009.bak/state.index",
    "checkpoints/thesis/state.index",
    "samples/me.png",
    "samples/latest/me.png",
    "tensorboard/train/notes.txt",
    "tensorboard/events.out.tfevents.of.another.program",
    "evaluation/mine/chapter.tex",
    "evaluation/held_out/notes.txt",
)


def fill(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def record(run):
    """What the writers record."""
    for name, kind in (("samples", SHEETS), ("tensorboard", LOGS), ("evaluation/held_out", REPORT)):
        Ownership(run / name, kind).add_all()


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "of before"])
def test_clear_removes_what_a_run_writes_and_nothing_else(tmp_path, recorded):
    run = Run(tmp_path / "run")
    run.lock()
    run.begin(CONFIG, examples())
    fill(run.folder, WRITTEN)
    if recorded:
        record(run)
    fill(run.folder, OF_OTHERS)
    if not recorded:
        (run / RECORD).unlink()
    del run._lock
    run.check(CONFIG, fresh=True)
    run.lock()
    # What lies in a folder that is named as a checkpoint stays, where it is taken for none.
    kept = [name.replace("/step-0000000009/", "/kept-step-0000000009/") for name in OF_OTHERS]
    assert run.clear() == sorted(kept)
    assert files_under(run.folder) == sorted((".lock", RECORD, *kept))
    assert not run.exists


def test_what_others_put_into_checkpoints_is_no_checkpoint_after_fresh(tmp_path):
    run = Run(tmp_path / "run")
    run.lock()
    run.begin(CONFIG, examples())
    fill(run / "checkpoints/step-0000000003", ("state.index", "progress.json", "notes.txt"))
    fill(run / "checkpoints/step-0000000005", ("thesis.tex",))
    fill(tmp_path / "other/step-0000000009", ("state.index", "progress.json"))
    (run / "checkpoints/step-0000000009").symlink_to(tmp_path / "other/step-0000000009")
    kept = [
        "checkpoints/kept-step-0000000003/notes.txt",
        "checkpoints/kept-step-0000000005/thesis.tex",
        "checkpoints/kept-step-0000000009",
    ]
    assert run.clear() == kept
    assert run.checkpoint == ""
    assert run.clear() == kept
    assert files_under(tmp_path / "other/step-0000000009") == ["progress.json", "state.index"]


def test_results_of_an_inference_inside_a_run_are_not_the_runs(run):
    fill(run.folder, ("evaluation/mine/sheet.png", "samples/mine/sheet.png"))
    for name in ("evaluation/mine", "samples/mine"):
        Ownership(run / name, RESULTS).add_all()
    run.clear()
    assert (run / "evaluation/mine/sheet.png").exists() and (
        run / "samples/mine/sheet.png"
    ).exists()


def test_fresh_never_removes_what_is_read(run, tmp_path):
    (tmp_path / "link").symlink_to(run.folder)
    for source in (run.folder, run / "photos", tmp_path / "link/photos"):
        with pytest.raises(InputError, match="holds the data .* nothing in it is removed"):
            run.check(CONFIG, fresh=True, sources=[source])
    run.check(CONFIG, fresh=True, sources=[tmp_path, tmp_path / "run2"])
    run.check(CONFIG, sources=[run / "photos"])


def test_the_model_of_a_run_has_the_weights_of_its_newest_checkpoint(run):
    keras.utils.set_random_seed(3)
    model = make_model(CONFIG.model, 32, 1)
    Checkpoints(run / "checkpoints", model=model).save(Progress(1))
    model.trainable_variables[0].assign_add(model.trainable_variables[0] + 1.0)
    Checkpoints(run / "checkpoints", model=model).save(Progress(2))
    config, loaded = load_run(run.folder)
    assert config == CONFIG
    for mine, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_folder_without_run_or_checkpoint_has_no_model(run, tmp_path):
    with pytest.raises(InputError, match=r"holds no run: it has no config.json"):
        load_run(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"`run_dir=.*` has no checkpoint yet"):
        load_run(run.folder)


def test_of_an_optimizer_the_settings_that_differ_are_told(run):
    text = '{"class_name": "Adam", "config": {"learning_rate": %s, "beta_1": 0.9}}'
    run.config = lambda: changed("learning", optimizer=text % 0.001)
    with pytest.raises(InputError) as error:
        run.check(changed("learning", optimizer=text % 0.002))
    told = "`optimizer`: Adam with learning rate 0.001 there, Adam with learning rate 0.002 now"
    assert told in str(error.value) and "beta" not in str(error.value)
