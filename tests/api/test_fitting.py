"""A generator's settings and its training: the loop of the command, for Python programs."""

import os
import signal

import keras
import numpy as np
import pytest

import dgn_tf as dgn
from dgn_tf.api import fitting
from dgn_tf.runs.restoring import load_run
from dgn_tf.utils.errors import InputError

# Quick to compile: one network, without an encoder.
PLAIN = {
    "model": "abp",
    "side": 32,
    "channels": 1,
    "appearance_dim": 2,
    "alpha": 0.1,
    "batch_size": 4,
    "langevin_steps": 1,
    "checkpoint_epochs": 1,
    "appearance_scheme": 2,
    "sigma": 1,
    # Schedules would follow the number of epochs.
    "learning_rate": 1e-3,
}


@pytest.fixture(scope="module")
def gray(pixels):
    return dgn.load_images(pixels, side=32, channels=1)


def plain(**settings):
    return dgn.DeformableGenerator(**PLAIN | settings)


def test_a_preset_with_other_values():
    model = dgn.DeformableGenerator.from_preset("faces64", side=32, epochs=7, sigma=0.5)
    assert (model.config.data.side, model.config.learning.epochs) == (32, 7)
    assert model.config.learning.sigma == "0.5" and model.config.learning.proposals == "encoder"
    # A program chooses its data itself.
    assert (model.config.data.limit, model.config.data.data) == (0, "memory")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dgn.DeformableGenerator.from_preset("face64"), "did you mean faces64"),
        (lambda: dgn.DeformableGenerator.from_preset(None), "`preset=None`: must be text"),
        (lambda: dgn.DeformableGenerator.from_preset("debug", epoch=3), "`epoch`.*mean epochs"),
        (lambda: dgn.DeformableGenerator.from_preset("debug", limit=3), "`limit` chooses data"),
        (lambda: dgn.DeformableGenerator.from_preset("debug", epochs="x"), "`epochs='x'`: .*who"),
        (lambda: dgn.DeformableGenerator.from_preset("debug", side=33), "`side=33`"),
        (lambda: dgn.DeformableGenerator.from_preset("clips64"), "of clips: use dgn.Dynamic"),
        (lambda: dgn.DynamicGenerator.from_preset("debug"), "of images: use dgn.Deformable"),
        (lambda: dgn.Langevin(steps=0), "`steps=0`"),
        (lambda: dgn.Langevin(sigma="0:1,x"), "`sigma`"),
        (lambda: plain().compile(optimizer="adamm"), "`optimizer=adamm`: .*adam"),
        (lambda: plain().compile(optimizer=3), "`optimizer` must be a Keras optimizer"),
        (lambda: plain().compile("adam", "mse"), "`langevin='mse'`.* There is no loss to choose"),
        (lambda: plain().compile(loss="mse"), "`loss`: leave it out: a model learns by its like"),
        (lambda: plain().compile(metrics=["mae"]), "`metrics`: .*`val_msre` of `validation_data`"),
        (lambda: plain().compile(alpha=0.5), "`alpha` is no setting of the training"),
        (lambda: plain().infer(np.zeros([1, 32, 32])), "`infer`: the model is not trained"),
        (lambda: plain().directions, "`directions`: the model is not trained"),
    ],
)
def test_a_mistake_in_settings_names_them(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_run_that_goes_on_is_the_same_as_one_that_was_not_interrupted(gray, tmp_path, capsys):
    whole, parts = plain(), plain()
    history = whole.fit(gray, epochs=3, verbose=0)
    parts.fit(gray, epochs=1, run_dir=tmp_path / "run", verbose=0)
    again = plain().fit(gray, epochs=3, run_dir=tmp_path / "run", verbose=0)
    for name in set(history.history) - {"images_per_second"}:
        assert again.history[name] == history.history[name], name
    _, model = load_run(tmp_path / "run")
    for one, other in zip(model.get_weights(), whole.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # All is done: nothing is trained, and the numbers are there.
    capsys.readouterr()
    nothing = plain().fit(gray, epochs=3, run_dir=tmp_path / "run", verbose=2)
    assert nothing.epoch == [0, 1, 2]
    told = f"Nothing to do: {tmp_path}/run is trained for 3 epochs. Give more `epochs` to go on"
    assert capsys.readouterr().err.startswith(told)
    others = gray.subset(range(len(gray) - 1))
    with pytest.raises(InputError, match="the images are not those with which the run in .* began"):
        plain().fit(others, epochs=3, run_dir=tmp_path / "run", verbose=0)
    with pytest.raises(InputError, match="`langevin_steps=1` there, 2 now"):
        plain(langevin_steps=2).fit(gray, epochs=3, run_dir=tmp_path / "run", verbose=0)


def test_held_out_images_change_nothing_of_the_training(gray):
    with_them, without = plain(), plain()
    seen = with_them.fit(gray, 2, validation_data=gray.subset([0, 3]), verbose=0).history
    alone = without.fit(gray, 2, verbose=0).history
    assert seen["msre"] == alone["msre"] and len(seen["val_msre"]) == 2
    for one, other in zip(
        with_them.network.get_weights(), without.network.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    # Fitted less closely than by more steps from more starts.
    fitted = with_them.infer(gray.subset([0, 3])).error.mean()
    assert 0.9 * fitted <= seen["val_msre"][-1] <= 2.0 * fitted


def test_training_again_goes_on_from_the_weights(gray):
    model = plain(learning_rate=1e-9, epochs=1)
    model.fit(gray, verbose=0)
    before = model.network.get_weights()
    model.fit(gray, verbose=0)
    for one, other in zip(model.network.get_weights(), before, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_optimizer_and_the_dynamics_are_those_that_are_asked_for(gray, tmp_path):
    seen = []

    class Seen(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(self.model.optimizer)

    model = plain()
    sgd = keras.optimizers.SGD(0.25, momentum=0.5)
    model.compile(sgd, dgn.Langevin(2, 0.1, "0:1,0.5:0.5"))
    model.fit(gray, 1, run_dir=tmp_path / "run", callbacks=[Seen()], verbose=0)
    assert isinstance(seen[0], keras.optimizers.SGD) and seen[0] is not sgd
    assert float(seen[0].learning_rate) == 0.25 and seen[0].momentum == 0.5
    learning = load_run(tmp_path / "run")[0].learning
    assert (learning.langevin_steps, learning.sigma) == (2, "0:1,0.5:0.5")
    # A run keeps its optimizer.
    with pytest.raises(InputError, match="`optimizer`: SGD with learning rate 0.25 there, that"):
        plain(langevin_steps=2).fit(gray, 2, run_dir=tmp_path / "run", verbose=0)


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_keeps_what_was_learned(gray):
    before = signal.getsignal(signal.SIGINT)
    model = plain()
    with pytest.raises(KeyboardInterrupt):
        model.fit(gray, 9, callbacks=[Interrupt()], verbose=0)
    assert model.known.trained and signal.getsignal(signal.SIGINT) is before


def test_other_signals_end_the_program_as_they_would():
    fitting.raise_if_stopped(None)
    with pytest.raises(SystemExit) as end:
        fitting.raise_if_stopped(signal.SIGTERM)
    assert end.value.code == 128 + signal.SIGTERM


def test_a_callback_of_keras_ends_it_and_restores_weights(gray):
    epochs = []

    class Worse(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_msre"] = float(epoch)
            epochs.append(self.model.get_weights())

    stop = keras.callbacks.EarlyStopping(
        "val_msre", mode="min", patience=2, restore_best_weights=True
    )
    model = plain()
    model.fit(gray, 9, callbacks=[Worse(), stop], verbose=0)
    assert len(epochs) == 3
    for one, other in zip(model.network.get_weights(), epochs[0], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": np.zeros([2, 3, 32, 32])}, "`train`: images must have shape"),
        ({"validation_data": np.zeros([0, 32, 32])}, "`validation_data`: holds no image"),
        ({"callbacks": [3]}, "`callbacks` must be Keras callbacks"),
        ({"verbose": 7}, "`verbose=7`"),
        ({"validation_freq": 0}, "`validation_freq=0`"),
        ({"epochs": 0}, "`epochs=0`"),
    ],
)
def test_a_mistake_in_fit_names_the_argument(gray, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        plain().fit(**{"train": gray, "epochs": 1, "run_dir": tmp_path / "run"} | settings)
    assert not (tmp_path / "run").exists()
