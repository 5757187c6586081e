"""What the loop tells: metrics.jsonl for programs, a bar or lines for people."""

import json

import pytest

from dgn_tf.training import callbacks
from dgn_tf.training.callbacks import MetricsLog, ProgressReport, read_metrics


class Clock:
    """Stands for the module `time`: moves only when told."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(callbacks, "time", clock)
    return clock


def metrics_log(folder):
    log = MetricsLog(folder / "metrics.jsonl", num_examples=30)
    log.set_params({"epochs": 5, "steps": 4, "first_step": 0})
    return log


def test_a_line_an_epoch_with_step_means_and_speed(tmp_path, clock):
    log = metrics_log(tmp_path)
    for epoch in range(2):
        log.on_epoch_begin(epoch)
        log.on_train_batch_end(3)
        clock.now += 1.5
        log.on_epoch_end(epoch, {"msre": 7.25 - epoch})
    assert read_metrics(tmp_path / "metrics.jsonl") == [
        {"epoch": 1, "step": 4, "msre": 7.25, "images_per_second": 20.0},
        {"epoch": 2, "step": 8, "msre": 6.25, "images_per_second": 20.0},
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_repeated_epochs_replace_their_lines(tmp_path):
    log = metrics_log(tmp_path)
    for epoch in (0, 1, 2, 1):
        log.on_epoch_begin(epoch)
        log.on_train_batch_end(3)
        log.on_epoch_end(epoch, {"msre": 10.0 * epoch})
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [(row["epoch"], row["msre"]) for row in rows] == [(1, 0.0), (2, 10.0)]


def test_an_epoch_resumed_half_way_has_no_speed(tmp_path):
    log = metrics_log(tmp_path)
    log.on_train_batch_end(3)
    log.on_epoch_end(2, {"msre": 1.0})
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {
        "epoch": 3,
        "step": 12,
        "msre": 1.0,
        "images_per_second": None,
    }


def test_an_epoch_that_was_stopped_half_way_has_its_steps_and_no_speed(tmp_path):
    log = metrics_log(tmp_path)
    log.on_epoch_begin(2)
    log.on_train_batch_end(0)
    log.on_epoch_end(2, {"msre": 1.0})
    (row,) = read_metrics(tmp_path / "metrics.jsonl")
    assert (row["step"], row["images_per_second"]) == (9, None)


def test_no_file_is_no_rows(tmp_path):
    assert read_metrics(tmp_path / "metrics.jsonl") == []


def test_damaged_rows_are_named_and_the_others_kept(tmp_path, caplog):
    path = tmp_path / "metrics.jsonl"
    lines = (
        b'{"epoch": 1, "msre": 2.5}',
        b'{"epoch": 2, "ms\xff',
        b'{"msre": 1}',
        b'["epoch"]',
        b"7",
        b'{"epoch": "x"}',
        b'{"epoch": 3, "msre": 1.5}',
    )
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert read_metrics(path) == [{"epoch": 1, "msre": 2.5}, {"epoch": 3, "msre": 1.5}]
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: line {number} is damaged and left out." for number in range(2, 7)
    ]


def report(first_step=0, **settings):
    progress = ProgressReport(**settings)
    progress.set_params({"epochs": 5, "steps": 4, "first_step": first_step})
    progress.on_train_begin()
    return progress


def test_unwatched_it_prints_a_line_when_it_is_time(clock, capsys):
    progress = report(seconds=15.0, watched=False)
    for step in range(10):
        if step % 4 == 0:
            progress.on_epoch_begin(step // 4)
        clock.now += 4.0
        progress.on_train_batch_end(step % 4, {"msre": 30.0 - step})
    progress.on_train_end({"msre": 21.0})
    # 4 s a step, 20 steps: lines at the first step past 15 s since the last line, and at the end.
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1/5  step 4/20  MSRE 27.0  0.25 steps/s  16 s passed, about 64 s left",
        "epoch 2/5  step 8/20  MSRE 23.0  0.25 steps/s  32 s passed, about 48 s left",
        "epoch 3/5  step 10/20  MSRE 21.0  0.25 steps/s  40 s passed, about 40 s left",
    ]


def test_the_time_left_counts_this_process_only(clock, capsys):
    progress = report(first_step=10, seconds=0.0, watched=False)
    clock.now += 3.0
    progress.on_train_batch_end(2, {"msre": 5.0})
    # Nine steps are left, and the one made took 3 s.
    expected = "epoch 3/5  step 11/20  MSRE 5.0  0.333 steps/s  3 s passed, about 27 s left\n"
    assert capsys.readouterr().err == f"Goes on from step 10 of 20.\n{expected}"


def test_a_rescue_sets_the_position_back(clock, capsys):
    progress = report(seconds=0.0, watched=False)
    for epoch, batches in ((0, 4), (1, 2), (1, 1)):
        progress.on_epoch_begin(epoch)
        for batch in range(batches):
            progress.on_train_batch_end(batch, {"msre": 1.0})
    steps = [line.split()[3] for line in capsys.readouterr().err.splitlines()]
    assert steps == ["1/20", "2/20", "3/20", "4/20", "5/20", "6/20", "5/20"]


def test_watched_it_draws_a_bar_and_no_lines(capsys):
    progress = report(first_step=4, watched=True)
    progress.on_epoch_begin(1)
    progress.on_train_batch_end(0, {"msre": 12.34})
    progress.on_train_end({"msre": 12.34})
    drawn = capsys.readouterr().err
    assert "5/20" in drawn and "MSRE 12.3" in drawn
    assert "passed" not in drawn


def test_it_is_watched_at_a_terminal_only(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert ProgressReport().watched
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert not ProgressReport().watched
