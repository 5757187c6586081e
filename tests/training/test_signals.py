"""A training that is asked to end saves, says so, and does not look like one that succeeded."""

import os
import shutil
import signal
import threading

import pytest

from dgn_tf import train
from dgn_tf.training.callbacks import MetricsLog
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.training.signals import SIGNALS, stop_on_signals


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_asks_a_process_to_end():
    assert {s.name for s in SIGNALS} == {"SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"}


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_first_signal_is_kept_and_the_second_of_any_kind_ends_the_process(number):
    before = [signal.getsignal(each) for each in SIGNALS]
    with stop_on_signals() as received:
        assert not received
        signal.raise_signal(number)
        assert received == [number]
        assert all(signal.getsignal(each) == signal.SIG_DFL for each in SIGNALS)
    assert [signal.getsignal(each) for each in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_it_says_at_once_what_it_does_and_what_another_ctrl_c_does(number, capfd):
    with stop_on_signals():
        signal.raise_signal(number)
        told = capfd.readouterr().err
    again = "; press Ctrl-C again to quit without saving" if number == signal.SIGINT else ""
    assert told == f"Stopping after this step and saving{again}.\n"


def test_another_interrupt_leaves_a_notebook_its_kernel(monkeypatch):
    monkeypatch.setattr("dgn_tf.training.signals.in_notebook", lambda: True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with stop_on_signals() as received, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        assert received == [signal.SIGINT]
        signal.raise_signal(signal.SIGINT)


def test_a_thread_of_its_own_gets_no_signals():
    def ask():
        with stop_on_signals() as received:
            asked.append(received)

    asked = []
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert asked == [[]]


def test_what_nohup_ignores_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_on_signals() as received:
        signal.raise_signal(signal.SIGHUP)
        assert not received
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGHUP)
    assert received == [signal.SIGUSR1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_a_stopped_training_has_saved_and_its_status_is_that_of_the_signal(
    run_app, tiny_run, tmp_path, monkeypatch, number
):
    shutil.copytree(tiny_run.folder, tmp_path / "run")
    end = MetricsLog.on_epoch_end

    def signalled(self, epoch, logs=None):
        end(self, epoch, logs)
        if epoch == 3:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(MetricsLog, "on_epoch_end", signalled)
    command = (*tiny_run.command, f"--run_dir={tmp_path}/run", "--epochs=6")
    said = run_app(train, *command)
    assert said.status == 128 + number
    line = f"Stopped by {number.name}: saved at step 12. The same command goes on from there."
    assert said.out.splitlines()[-1] == line
    assert Checkpoints(tmp_path / "run" / "checkpoints").paths()[-1].name == "step-0000000012"
    monkeypatch.setattr(MetricsLog, "on_epoch_end", end)
    assert run_app(train, *command).status == 0
