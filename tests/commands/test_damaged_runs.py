"""Runs of which a file is damaged, and one whose numbers are."""

import numpy as np
import pytest
from refusals import refused

from dgn_tf import train
from dgn_tf.runs.restoring import load_run
from dgn_tf.training.callbacks import read_metrics


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_a_damaged_newest_checkpoint_costs_one_epoch_only(run_again, tensors):
    whole = tensors(run_again.folder)
    flip(run_again.folder / "checkpoints" / "step-0000000009" / "state.data-00000-of-00001")
    said = run_again()
    assert said.out.splitlines()[-5].startswith("Trained: ")
    assert "step-0000000009 cannot be read" in said.err
    # The last epoch is made again from the checkpoint before it, the same to rounding.
    for name, tensor in tensors(run_again.folder).items():
        if tensor.dtype == np.float32:
            np.testing.assert_allclose(tensor, whole[name], rtol=1e-3, atol=1e-4)


def test_a_run_with_no_readable_checkpoint_names_fresh(run_again):
    for path in (run_again.folder / "checkpoints").glob("*/state.index"):
        path.write_bytes(b"")
    said = run_again()
    assert said.status == 2
    assert said.err.splitlines()[-1].startswith("error: none of the 3 checkpoints in ")
    assert "train again from the start (--fresh)" in said.err


def test_a_run_that_diverges_goes_back_three_times_and_ends_with_status_1(
    run_app, tiny_run, tmp_path, tensors
):
    command = (*tiny_run.command, f"--run_dir={tmp_path}/run", "--step_size=1e15")
    said = run_app(train, *command)
    assert said.status == 1
    texts = said.err.splitlines()
    assert [text.count("Back to step 0") for text in texts] == [1, 1, 1, 0]
    assert texts[0].startswith("warning: Step 1 gave numbers that are not finite. Back to ")
    stopped = "error: Training stopped: step 1 gave numbers that are not finite, after 3 "
    assert texts[3].startswith(stopped)
    assert "lower --step_size" in texts[3]
    assert not (tmp_path / "run" / "model.keras").exists()
    state = tensors(tmp_path / "run").values()
    assert all(np.isfinite(value).all() for value in state)


def test_damaged_settings_are_made_again_from_the_flagfile(run_again):
    (run_again.folder / "config.json").write_bytes(b"\xff{")
    said = run_again()
    refused(said, "config.json", f"--flagfile={run_again.folder}/flags.cfg")
    (run_again.folder / "config.json").unlink()
    said = run_again(f"--flagfile={run_again.folder}/flags.cfg", "--epochs=4")
    assert said.status == 0, said.err
    assert load_run(run_again.folder)[0].learning.epochs == 4
    assert [row["step"] for row in read_metrics(run_again.folder / "metrics.jsonl")][-1] == 12


@pytest.mark.parametrize("content", ['{"name": "a package"}', "[]", "no JSON"])
def test_a_config_of_another_program_is_kept(run_app, tiny_run, tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    said = run_app(train, *tiny_run.command, f"--run_dir={tmp_path}")
    refused(said, "not a configuration of this program", "name another folder")
    assert "delete" not in said.err and "flags.cfg" not in said.err
    assert (tmp_path / "config.json").read_text() == content


def test_a_damaged_note_of_the_data_is_made_again(run_again):
    note = run_again.folder / "data.json"
    whole = note.read_bytes()
    note.write_bytes(whole.replace(b"10", b"1x"))
    refused(run_again(), "data.json is missing or damaged", "delete what is left of it")
    note.unlink()
    assert run_again("--epochs=4").status == 0
    assert note.read_bytes() == whole
