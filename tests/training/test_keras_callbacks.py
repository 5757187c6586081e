"""Every callback of Keras does in the loop what it is for, or is refused with the reason."""

import csv
import glob
import importlib.util
import inspect

import keras
import numpy as np
import pytest
from test_loop import PER_EPOCH, Learner, Recorder, batch_means, train

from dgn_tf.training.schedules import RunSchedule
from dgn_tf.utils.errors import InputError

REFUSED = {
    "BackupAndRestore": (lambda folder: [folder / "backup"], "give `checkpoints`"),
    "SwapEMAWeights": (lambda folder: [], "dgn_tf.training.ema.Averaging"),
}


def base(learner, folder, capsys):
    train(learner, epochs=1, callbacks=[keras.callbacks.Callback()])


def callback_list(learner, folder, capsys):
    recorder = Recorder()
    train(learner, epochs=2, callbacks=[keras.callbacks.CallbackList([recorder])])
    assert [epoch for epoch, _ in recorder.epochs] == [0, 1]
    assert len(recorder.batches) == 2 * PER_EPOCH


def csv_logger(learner, folder, capsys):
    path = folder / "log.csv"
    checkpoints = learner.checkpoints(folder / "run")
    train(learner, epochs=1, callbacks=[keras.callbacks.CSVLogger(path)], checkpoints=checkpoints)
    again = Learner()
    checkpoints = again.checkpoints(folder / "run")
    train(
        again,
        epochs=2,
        callbacks=[keras.callbacks.CSVLogger(path, append=True)],
        checkpoints=checkpoints,
        progress=checkpoints.restore(),
    )
    rows = list(csv.DictReader(open(path)))
    assert [int(row["epoch"]) for row in rows] == [0, 1]
    found = [float(row["msre"]) for row in rows]
    assert found == pytest.approx([np.mean(batch_means(epoch)) for epoch in (0, 1)], rel=1e-6)


def early_stopping(learner, folder, capsys):
    """Stops where nothing is better, and the model has the weights of the best epoch."""
    weights = []
    kept = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.append(learner.weight)
    )
    stopping = keras.callbacks.EarlyStopping(
        "msre", min_delta=1e6, patience=2, mode="min", restore_best_weights=True
    )
    progress = train(learner, epochs=50, callbacks=[kept, stopping])
    assert progress.step == 3 * PER_EPOCH
    assert learner.weight == weights[0] != weights[-1]


def history(learner, folder, capsys):
    kept = keras.callbacks.History()
    train(learner, epochs=3, callbacks=[kept])
    assert kept.epoch == [0, 1, 2] and learner.model.history is kept
    means = [np.mean(batch_means(epoch)) for epoch in range(3)]
    assert kept.history["msre"] == pytest.approx(means, rel=1e-6)


def lambda_callback(learner, folder, capsys):
    seen = []
    train(
        learner,
        epochs=1,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_train_begin=lambda logs: seen.append("train"),
                on_epoch_begin=lambda epoch, logs: seen.append("epoch"),
                on_train_batch_begin=lambda batch, logs: seen.append("begin"),
                on_train_batch_end=lambda batch, logs: seen.append("end"),
                on_epoch_end=lambda epoch, logs: seen.append("ended"),
                on_train_end=lambda logs: seen.append("trained"),
            )
        ],
    )
    assert seen == ["train", "epoch", *["begin", "end"] * PER_EPOCH, "ended", "trained"]


def learning_rate_scheduler(learner, folder, capsys):
    rates = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 / 2**epoch)
    train(learner, epochs=3, callbacks=[rates])
    assert float(learner.optimizer.learning_rate) == pytest.approx(0.025)
    slower = Learner()
    train(slower, epochs=3)
    assert slower.weight != learner.weight


def model_checkpoint(learner, folder, capsys):
    """The best epoch's whole model; `msre` is at its least in one that is known."""
    best = keras.callbacks.ModelCheckpoint(
        folder / "best.keras", monitor="msre", mode="min", save_best_only=True
    )
    weights = []
    kept = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.append(learner.weight)
    )
    train(learner, epochs=4, callbacks=[kept, best])
    means = [np.mean(batch_means(epoch)) for epoch in range(4)]
    loaded = keras.models.load_model(folder / "best.keras")
    assert float(loaded.layers[0].kernel[0, 0]) == weights[int(np.argmin(means))]


def orbax_checkpoint(learner, folder, capsys):
    if importlib.util.find_spec("orbax") is None:
        with pytest.raises(ImportError, match="orbax"):
            keras.callbacks.OrbaxCheckpoint(folder / "orbax")
        return
    saving = keras.callbacks.OrbaxCheckpoint(str(folder / "orbax"), save_on_background=False)
    train(learner, epochs=2, callbacks=[saving])
    assert any((folder / "orbax").iterdir())


def progbar_logger(learner, folder, capsys):
    train(learner, epochs=2, callbacks=[keras.callbacks.ProgbarLogger()])
    out = capsys.readouterr().out
    assert "Epoch 1/2" in out and "Epoch 2/2" in out and "3/3" in out and "msre: " in out


def reduce_lr_on_plateau(learner, folder, capsys):
    plateau = keras.callbacks.ReduceLROnPlateau("msre", 0.5, patience=1, min_delta=1e6, mode="min")
    train(learner, epochs=3, callbacks=[plateau])
    assert float(learner.optimizer.learning_rate) == pytest.approx(0.1 / 4)


def remote_monitor(learner, folder, capsys):
    """A monitor that cannot be reached is a warning, and the training goes on."""
    monitor = keras.callbacks.RemoteMonitor(root="http://127.0.0.1:9", send_as_json=True)
    with pytest.warns(UserWarning, match="Could not reach RemoteMonitor"):
        train(learner, epochs=1, callbacks=[monitor])


def tensor_board(learner, folder, capsys):
    board = keras.callbacks.TensorBoard(
        folder / "board", histogram_freq=1, write_steps_per_second=True, update_freq=1
    )
    train(learner, epochs=2, callbacks=[board])
    assert glob.glob(f"{folder}/board/train/*.tfevents.*")


def terminate_on_nan(learner, folder, capsys):
    """The loop has gone back before a number that is not finite is told."""
    broken = Learner(lambda step, scale: (step == 4) & (scale == 1.0))
    checkpoints = broken.checkpoints(folder / "run")
    callbacks = [keras.callbacks.TerminateOnNaN()]
    progress = train(broken, callbacks=callbacks, checkpoints=checkpoints, checkpoint_epochs=1)
    assert (progress.step, progress.rescues) == (4 * PER_EPOCH, 1)


CASES = {
    "Callback": base,
    "CallbackList": callback_list,
    "CSVLogger": csv_logger,
    "EarlyStopping": early_stopping,
    "History": history,
    "LambdaCallback": lambda_callback,
    "LearningRateScheduler": learning_rate_scheduler,
    "ModelCheckpoint": model_checkpoint,
    "OrbaxCheckpoint": orbax_checkpoint,
    "ProgbarLogger": progbar_logger,
    "ReduceLROnPlateau": reduce_lr_on_plateau,
    "RemoteMonitor": remote_monitor,
    "TensorBoard": tensor_board,
    "TerminateOnNaN": terminate_on_nan,
}


def test_every_callback_of_keras_has_a_case_or_is_refused():
    classes = {name for name, value in vars(keras.callbacks).items() if inspect.isclass(value)}
    assert {*CASES, *REFUSED} == classes
    assert not {*CASES} & {*REFUSED}


@pytest.mark.parametrize("name", CASES)
def test_it_does_what_it_is_for(name, tmp_path, capsys):
    CASES[name](Learner(), tmp_path, capsys)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("wrap", [list, lambda each: [keras.callbacks.CallbackList(each)]])
def test_what_it_cannot_do_is_told_before_the_training(name, wrap, tmp_path):
    arguments, reason = REFUSED[name]
    callback, learner = getattr(keras.callbacks, name)(*arguments(tmp_path)), Learner()
    with pytest.raises(InputError, match=f"the callback {name} .*{reason}"):
        train(learner, callbacks=wrap([callback]), checkpoints=learner.checkpoints(tmp_path / "c"))
    assert learner.weight == 0 and not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    "callback",
    [
        # It would set the rate for the first time where nothing gets better any more.
        keras.callbacks.ReduceLROnPlateau("msre", patience=100, mode="min"),
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
    ],
    ids=lambda callback: type(callback).__name__,
)
@pytest.mark.parametrize("wrap", [lambda one: one, keras.optimizers.LossScaleOptimizer])
def test_a_scheduled_learning_rate_is_told_to_who_would_set_it(callback, wrap):
    learner = Learner()
    train(Learner(), epochs=1, callbacks=[callback])
    learner.optimizer = wrap(keras.optimizers.SGD(RunSchedule("0.1", 10)))
    with pytest.raises(InputError, match=f"{type(callback).__name__} cannot set the .*compile"):
        train(learner, epochs=1, callbacks=[callback])
    assert learner.weight == 0


@pytest.mark.parametrize("monitor", ["msre", "val_msre", "val_loss"])
def test_less_of_an_error_is_better_without_being_told(monitor):
    stopping = keras.callbacks.EarlyStopping(monitor, min_delta=1e6, patience=1)
    told = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update({monitor: 1.0 + epoch})
    )
    progress = train(Learner(), epochs=50, callbacks=[told, stopping])
    assert progress.step == 2 * PER_EPOCH


def test_what_may_be_better_either_way_is_asked_for_before_the_training(tmp_path):
    learner = Learner()
    for callback in (
        keras.callbacks.EarlyStopping("folded"),
        keras.callbacks.ModelCheckpoint(tmp_path / "a.keras", "folded", save_best_only=True),
    ):
        with pytest.raises(InputError, match='less or more of folded is better: give mode="min"'):
            train(learner, callbacks=[callback])
    assert learner.weight == 0
