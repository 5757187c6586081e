"""The loop with a learner of one weight: means, resumption, rescue, and callbacks of Keras."""

import csv
import glob

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.data.batches import epoch_order
from dgn_tf.data.examples import Examples
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.training.loop import Diverged, fit

IDS = np.array([3, 1, 4, 15, 9, 26, 5])
EXAMPLES = Examples(
    images=np.random.default_rng(0).integers(0, 256, (7, 2, 2, 1), dtype=np.uint8),
    ids=IDS,
    names=tuple(map(str, IDS)),
)
BATCH, PER_EPOCH = 3, 3  # the third batch is of one example


class Learner:
    """Pulls one weight toward each batch's mean pixel; `bad(step, scale)` is where it breaks."""

    def __init__(self, bad=lambda step, scale: False):
        self.model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1, use_bias=False)])
        self.model.layers[0].kernel.assign([[0.0]])
        self.optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        self.optimizer.build(self.model.trainable_variables)
        self.scale = tf.Variable(1.0, trainable=False)
        self.offset = tf.Variable(tf.zeros([], tf.int64), trainable=False)
        self.visits = tf.Variable(tf.zeros([len(IDS)]))
        self.bad = bad

    def step(self, index, ids, x):
        broken = self.bad(self.optimizer.iterations, self.scale)
        kernel = self.model.layers[0].kernel
        gradient = self.scale * (kernel - tf.reduce_mean(x))
        self.optimizer.apply_gradients([(tf.where(broken, np.nan, gradient), kernel)])
        self.visits.scatter_add(tf.IndexedSlices(tf.ones_like(index, tf.float32), index))
        msre = tf.reduce_mean(tf.cast(ids, tf.float32))
        return {"msre": msre, "loss": msre, "finite": 1.0 - tf.cast(broken, tf.float32)}

    def checkpoints(self, folder):
        return Checkpoints(folder, model=self.model, optimizer=self.optimizer, visits=self.visits)

    @property
    def weight(self):
        return float(self.model.layers[0].kernel[0, 0])


class Recorder(keras.callbacks.Callback):
    """Keeps the logs of every epoch and batch."""

    def __init__(self):
        super().__init__()
        self.epochs, self.batches, self.begun, self.end = [], [], [], None

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(epoch)

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append((batch, dict(logs)))

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((epoch, dict(logs)))

    def on_train_end(self, logs=None):
        self.end = dict(logs)


def train(learner, epochs=4, callbacks=(), **settings):
    return fit(
        learner, EXAMPLES, batch_size=BATCH, epochs=epochs, seed=5, callbacks=callbacks, **settings
    )


def batch_means(epoch):
    order = IDS[epoch_order(7, 5, epoch)]
    return [order[first : first + BATCH].mean() for first in (0, 3, 6)]


def test_logs_are_means_over_the_steps_of_the_epoch():
    recorder, learner = Recorder(), Learner()
    progress = train(learner, epochs=2, callbacks=[recorder])
    assert progress.step == 2 * PER_EPOCH
    assert recorder.begun == [0, 1]
    for epoch in range(2):
        means = batch_means(epoch)
        number, logs = recorder.epochs[epoch]
        assert number == epoch
        assert set(logs) == {"msre", "loss"}
        assert logs["msre"] == pytest.approx(np.mean(means), rel=1e-6)
        for batch in range(PER_EPOCH):
            number, logs = recorder.batches[epoch * PER_EPOCH + batch]
            assert number == batch
            assert logs["msre"] == pytest.approx(np.mean(means[: batch + 1]), rel=1e-6)
    assert recorder.end == recorder.epochs[-1][1]
    np.testing.assert_array_equal(learner.visits, np.full(7, 2))


def stop_after(learner, steps):
    return lambda: learner.optimizer.iterations >= steps


def test_a_run_stopped_in_mid_epoch_goes_on_as_if_it_never_was(tmp_path):
    straight, whole = Learner(), Recorder()
    train(straight, callbacks=[whole], checkpoints=straight.checkpoints(tmp_path / "a"))
    first, before = Learner(), Recorder()
    train(
        first,
        callbacks=[before],
        checkpoints=first.checkpoints(tmp_path / "b"),
        should_stop=stop_after(first, 5),
    )
    assert first.checkpoints(tmp_path / "b").paths()[-1].name == "step-0000000005"
    second, after = Learner(), Recorder()
    checkpoints = second.checkpoints(tmp_path / "b")
    progress = train(
        second, callbacks=[after], checkpoints=checkpoints, progress=checkpoints.restore()
    )
    assert progress.step == 4 * PER_EPOCH
    assert second.weight == straight.weight
    np.testing.assert_array_equal(second.visits, straight.visits)
    assert before.epochs + after.epochs == whole.epochs
    assert before.batches + after.batches == whole.batches
    assert after.begun == [2, 3]  # the epoch under way had begun before


def test_checkpoints_are_saved_when_asked_and_at_both_ends(tmp_path):
    learner = Learner()
    checkpoints = learner.checkpoints(tmp_path)
    checkpoints.keep = 10
    train(learner, epochs=5, checkpoints=checkpoints, checkpoint_epochs=2)
    steps = [int(path.name.removeprefix("step-")) for path in checkpoints.paths()]
    assert steps == [0, 6, 12, 15]


def test_a_step_that_is_not_finite_goes_back_with_half_the_scale(tmp_path, caplog):
    learner, recorder = Learner(lambda step, scale: (step == 7) & (scale == 1.0)), Recorder()
    checkpoints = learner.checkpoints(tmp_path)
    progress = train(learner, callbacks=[recorder], checkpoints=checkpoints, checkpoint_epochs=1)
    assert (progress.rescues, progress.step) == (1, 4 * PER_EPOCH)
    assert learner.scale == 0.5
    np.testing.assert_array_equal(learner.visits, np.full(7, 4))
    # The third epoch, whose second step broke, is done again; the log keeps the means right.
    assert recorder.begun == [0, 1, 2, 2, 3]
    assert [epoch for epoch, _ in recorder.epochs] == [0, 1, 2, 3]
    for epoch, logs in recorder.epochs:
        assert logs["msre"] == pytest.approx(np.mean(batch_means(epoch)), rel=1e-6)
    # By hand: SGD with momentum on the means, at half the gradient from step 6 on.
    weight = velocity = 0.0
    for step in range(12):
        epoch, batch = divmod(step, PER_EPOCH)
        rows = epoch_order(7, 5, epoch)[batch * BATCH : (batch + 1) * BATCH]
        mean = (EXAMPLES.images[rows] / 127.5 - 1).mean()
        velocity = 0.9 * velocity - 0.1 * (1.0 if step < 6 else 0.5) * (weight - mean)
        weight += velocity
    assert learner.weight == pytest.approx(weight, abs=1e-5)
    (record,) = caplog.records
    assert "Step 8 gave numbers that are not finite. Back to step 6 with" in record.getMessage()
    assert "at 0.5 of their settings (return 1 of 3)" in record.getMessage()
    assert Learner().checkpoints(tmp_path).restore().rescues == 1


@pytest.mark.parametrize("count", [2, 100])
def test_steps_in_one_execution_are_the_steps_one_by_one(tmp_path, count):
    single, each = Learner(), Recorder()
    train(single, callbacks=[each], checkpoints=single.checkpoints(tmp_path / "a"))
    together, recorder = Learner(), Recorder()
    checkpoints = together.checkpoints(tmp_path / "b")
    checkpoints.keep = 10
    train(
        together,
        callbacks=[recorder],
        checkpoints=checkpoints,
        checkpoint_epochs=3,
        steps_per_execution=count,
    )
    assert together.weight == single.weight
    np.testing.assert_array_equal(together.visits, single.visits)
    assert recorder.epochs == each.epochs
    # An execution ends where the epoch does.
    ends = [1, 2] if count == 2 else [2]
    assert recorder.batches == [row for row in each.batches if row[0] in ends]
    assert [path.name[-2:] for path in checkpoints.paths()] == ["00", "09", "12"]


def test_a_step_within_an_execution_that_is_not_finite_is_found(tmp_path, caplog):
    learner = Learner(lambda step, scale: (step == 7) & (scale == 1.0))
    checkpoints = learner.checkpoints(tmp_path)
    progress = train(learner, checkpoints=checkpoints, checkpoint_epochs=1, steps_per_execution=3)
    assert (progress.rescues, progress.step) == (1, 4 * PER_EPOCH)
    np.testing.assert_array_equal(learner.visits, np.full(7, 4))
    assert "Step 8 gave numbers that are not finite. Back to step 6" in caplog.text


def test_xla_may_compile_the_step():
    plain, compiled = Learner(), Learner()
    train(plain)
    train(compiled, jit=True, steps_per_execution=2)
    assert compiled.weight == pytest.approx(plain.weight, rel=1e-6)
    np.testing.assert_array_equal(compiled.visits, plain.visits)


def test_a_run_that_keeps_diverging_ends(tmp_path, caplog):
    learner = Learner(lambda step, scale: step == 4)
    checkpoints = learner.checkpoints(tmp_path)
    with pytest.raises(Diverged, match="step 5 .* after 3 returns .* lower `step_size`"):
        train(learner, checkpoints=checkpoints, checkpoint_epochs=1)
    returns = [record.getMessage() for record in caplog.records]
    for text, scale in zip(returns, ("0.5", "0.25", "0.125"), strict=True):
        assert f"Back to step 3 with the step size and the learning rate at {scale} of" in text
    # What is kept on disk is the last good state.
    good = Learner()
    assert good.checkpoints(tmp_path).restore().step == PER_EPOCH
    assert np.isfinite(good.weight)


def test_a_run_that_diverges_ends_its_callbacks_with_the_state_that_is_kept(tmp_path):
    learner, ended = Learner(lambda step, scale: step == 4), []
    callback = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: ended.append(float(learner.weight))
    )
    with pytest.raises(Diverged):
        train(
            learner,
            checkpoints=learner.checkpoints(tmp_path),
            checkpoint_epochs=1,
            callbacks=[callback],
        )
    kept = Learner()
    kept.checkpoints(tmp_path).restore()
    assert ended == [float(kept.weight)]


def test_without_checkpoints_the_first_divergence_ends_it():
    with pytest.raises(Diverged, match="step 5 .* after 0 returns"):
        train(Learner(lambda step, scale: step == 4))


def test_early_stopping_stops_and_saves(tmp_path):
    learner, recorder = Learner(), Recorder()
    stopping = keras.callbacks.EarlyStopping("msre", min_delta=1e6, patience=2, mode="min")
    progress = train(
        learner,
        epochs=50,
        callbacks=[stopping, recorder],
        checkpoints=learner.checkpoints(tmp_path),
    )
    assert progress.step == len(recorder.epochs) * PER_EPOCH == 3 * PER_EPOCH
    assert learner.checkpoints(tmp_path).paths()[-1].name == "step-0000000009"


def test_a_stop_within_an_epoch_ends_the_epoch_for_the_callbacks_as_in_keras(tmp_path):
    learner, recorder = Learner(), Recorder()
    stop = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(
            learner.model, "stop_training", len(recorder.batches) == 5
        )
    )
    checkpoints = learner.checkpoints(tmp_path)
    progress = train(learner, callbacks=[recorder, stop], checkpoints=checkpoints)
    assert progress.step == 5 and checkpoints.paths()[-1].name == "step-0000000005"
    assert [epoch for epoch, _ in recorder.epochs] == [0, 1]
    assert recorder.epochs[-1][1]["msre"] == pytest.approx(np.mean(batch_means(1)[:2]), rel=1e-6)
    assert recorder.end == recorder.epochs[-1][1]


def test_a_stop_at_the_end_of_an_epoch_ends_it_once():
    learner, recorder = Learner(), Recorder()
    stop = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(
            learner.model, "stop_training", len(recorder.batches) == 6
        )
    )
    assert train(learner, callbacks=[recorder, stop]).step == 6
    assert [epoch for epoch, _ in recorder.epochs] == [0, 1]


def test_callbacks_of_keras_see_the_training(tmp_path):
    learner, seen = Learner(), []
    # No epoch counts as better than the first.
    plateau = keras.callbacks.ReduceLROnPlateau("msre", 0.5, patience=1, min_delta=1e6, mode="min")
    callbacks = [
        recorder := Recorder(),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["msre"])),
        plateau,
        keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TensorBoard(tmp_path / "board", write_graph=False),
    ]
    train(learner, epochs=3, callbacks=callbacks)
    means = [np.mean(batch_means(epoch)) for epoch in range(3)]
    np.testing.assert_allclose(seen, means, rtol=1e-6)
    assert float(learner.optimizer.learning_rate) == pytest.approx(0.1 / 4)
    restored = Learner()
    restored.model.load_weights(tmp_path / "3.weights.h5")
    assert restored.weight == learner.weight != 0
    rows = list(csv.DictReader(open(tmp_path / "log.csv")))
    assert [float(row["msre"]) for row in rows] == [logs["msre"] for _, logs in recorder.epochs]
    (events,) = glob.glob(f"{tmp_path}/board/train/*.tfevents.*")
    losses = {
        event.step: float(tf.make_ndarray(value.tensor))
        for event in tf.compat.v1.train.summary_iterator(events)
        for value in event.summary.value
        if value.tag == "epoch_loss"
    }
    assert losses == pytest.approx(dict(enumerate(means)), rel=1e-6)
