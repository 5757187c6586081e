"""A generator in Python: trained as the command trains, asked, changed, kept and found again."""

import os
import signal

import keras
import numpy as np
import pytest
from PIL import Image

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


# Settings.


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
        (lambda: dgn.DeformableGenerator.from_preset("debug", epoch=3), "`epoch`.*mean epochs"),
        (lambda: dgn.DeformableGenerator.from_preset("debug", limit=3), "`limit` chooses data"),
        (lambda: dgn.DeformableGenerator.from_preset("debug", epochs="x"), "`epochs='x'`.*int"),
        (lambda: dgn.DeformableGenerator.from_preset("debug", side=33), "`side=33`"),
        (lambda: dgn.DeformableGenerator.from_preset("clips64"), "of clips: use dgn.Dynamic"),
        (lambda: dgn.DynamicGenerator.from_preset("debug"), "of images: use dgn.Deformable"),
        (lambda: dgn.Langevin(steps=0), "`steps=0`"),
        (lambda: dgn.Langevin(sigma="0:1,x"), "`sigma`"),
        (lambda: plain().compile(optimizer="adamm"), "`optimizer=adamm`: .*adam"),
        (lambda: plain().compile(optimizer=3), "`optimizer` must be a Keras optimizer"),
        (lambda: plain().compile(alpha=0.5), "`alpha` is no setting of the training"),
        (lambda: plain().infer(np.zeros([1, 32, 32])), "`infer`: the model is not trained"),
        (lambda: plain().directions, "`directions`: the model is not trained"),
    ],
)
def test_a_mistake_in_settings_names_them(make, message):
    with pytest.raises(InputError, match=message):
        make()


# Training.


def test_the_history_has_every_number_of_every_epoch(trained):
    assert isinstance(trained.history, keras.callbacks.History)
    assert trained.history.epoch == [0, 1]
    assert {"msre", "loss", "val_msre"} <= trained.history.history.keys()
    assert all(len(values) == 2 for values in trained.history.history.values())
    assert len(list((trained.folder / "tensorboard" / "validation").iterdir())) == 1


def test_a_run_that_goes_on_is_the_same_as_one_that_was_not_interrupted(gray, tmp_path):
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
    nothing = plain().fit(gray, epochs=3, run_dir=tmp_path / "run", verbose=0)
    assert nothing.epoch == [0, 1, 2]
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
    with pytest.raises(InputError, match="`optimizer="):
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


# Asking.


def test_latents_know_their_images_and_how_well_they_fit(trained, z):
    assert len(z) == 2 and z.names == trained.held_out.names
    painted = np.asarray(trained.model.paint(z)) / 255.0
    errors = np.square(trained.held_out.images / 255.0 - painted).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(z.error, errors, rtol=0.01)
    limit = 1.5 * trained.model.known.statistics.errors[-1]
    assert z.typical.tolist() == [error <= limit for error in z.error]
    assert len(z[1:]) == 1 and z[1].error == z.error[1]
    noise = trained.model.infer(np.tile([[0.0, 1.0]], (32, 16))[..., None].repeat(3, 2), steps=10)
    assert not noise.typical.all() and "unlike anything learned" in repr(noise)


def test_an_edit_moves_by_standard_deviations(trained, z):
    model = trained.model
    along = model.directions["geometry"]
    edited = model.edit(z, geometry={1: 2.0, along.names[1]: -1}, appearance={3: 0.5})
    moved = 2.0 * along.scales[0] * along.axes[0] - along.scales[1] * along.axes[1]
    np.testing.assert_allclose(edited["geometry"] - z["geometry"], [moved] * 2, atol=1e-5)
    by_name = model.edit(z, **{along.names[0].replace(" ", "_"): 2})
    assert not np.allclose(by_name["geometry"], z["geometry"])
    np.testing.assert_array_equal(by_name["appearance"], z["appearance"])
    assert edited.error is None and edited.images is None


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"geometry": 2}, "`geometry=2`: give the directions of a group by number or name"),
        ({"geometry": {4: 1}}, "directions are numbered from 1 to 3"),
        ({"geometry": {"widn": 1}}, "'widn'.* there is no such direction"),
        ({"sidelong": 1}, "`sidelong`: there is no such direction"),
        ({"geometri": {1: 1}}, "`geometri`: the model has no such group; did you mean geometry"),
        ({"geometry": {1: "x"}}, "a step must be a finite number, not 'x'"),
        ({"geometry": {1: np.nan}}, "a step must be a finite number"),
    ],
)
def test_a_wrong_edit_names_it(trained, z, steps, message):
    with pytest.raises(InputError, match=message):
        trained.model.edit(z, **steps)


def test_swapping_takes_the_geometry_of_another(trained, z):
    swapped = z[0].with_geometry_of(z[1])
    np.testing.assert_array_equal(swapped["appearance"], z["appearance"][:1])
    np.testing.assert_array_equal(swapped["geometry"], z["geometry"][1:])
    np.testing.assert_array_equal(z.with_appearance_of(z[0])["appearance"][1], z["appearance"][0])
    three = z[[0, 1, 0]]
    with pytest.raises(InputError, match="`other` has 3 latents: 2, or one for all"):
        z.with_geometry_of(three)


def test_samples_repeat_with_their_seed(trained):
    model = trained.model
    first = model.sample(3, seed=5)
    np.testing.assert_array_equal(first, model.sample(3, seed=5))
    assert not np.array_equal(first, model.sample(3, seed=6))
    # Each has a seed of its own, as the command gives them.
    np.testing.assert_array_equal(first[1:], model.sample(2, seed=6))
    assert len(model.sample(2, source="prior")) == 2
    with pytest.raises(InputError, match="`source=posterior`"):
        model.sample(2, source="posterior")


def test_a_prediction_is_the_reconstruction(trained, z):
    made = trained.model.predict(trained.held_out)
    assert np.asarray(made).shape == (2, 32, 32, 3)
    np.testing.assert_array_equal(made.latents.images, trained.held_out.images)


def test_a_warp_keeps_the_size_of_the_image(trained, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "cat.png")
    moved = trained.model.warp(tmp_path / "cat.png", geometry={1: 2})
    assert np.asarray(moved).shape == (1, 40, 60, 3) and moved.names == ("cat.png",)
    np.testing.assert_array_equal(moved, trained.model.warp(image / 255.0, geometry={1: 2}))
    np.testing.assert_array_equal(trained.model.warp(image, geometry={1: 0.0})[0], image[None])
    for settings, message in (({"appearance": {1: 1}}, "only the geometry"), ({}, "needs a step")):
        with pytest.raises(InputError, match=message):
            trained.model.warp(image, **settings)


def test_a_report_is_shown_printed_and_saved(trained, tmp_path):
    report = trained.model.evaluate(trained.held_out)
    assert report.numbers["reconstruction"]["msre_mean_image"] > 0
    assert repr(report).startswith("Report(2 held-out images, error ")
    assert "reconstruction error" in str(report) and "<table>" in report._repr_html_()
    report.save(tmp_path / "report")
    assert (tmp_path / "report" / "report.html").is_file()
    loaded = dgn.load(trained.folder).evaluate(trained.held_out)
    assert loaded.numbers["reconstruction"]["msre_mean_image"] is None


# Names, sheets and images.


def test_directions_are_renamed_for_edits(trained, z):
    model = dgn.load(trained.folder)
    first = model.directions["geometry"].names[0].replace(" ", "_")
    model.directions.rename(**{first: "broader"}, appearance={1: "a smile"})
    assert "broader" in repr(model.directions) and "a smile" in model.directions._repr_html_()
    np.testing.assert_array_equal(
        model.edit(z, broader=1, a_smile=2)["geometry"], model.edit(z, geometry={1: 1})["geometry"]
    )
    for names, message in (
        ({"broader": "a smile"}, None),
        ({"broader": "7"}, "no number"),
        ({"appearance": {1: "appearance 2"}}, "already"),
        ({"broad": "x"}, "did you mean broader"),
    ):
        if message:
            with pytest.raises(InputError, match=message):
                model.directions.rename(**names)


def test_sheets_are_images(trained, z, tmp_path):
    model = trained.model
    board, traversal = dgn.show.board(model, z), dgn.show.traversal(model, "geometry", 1)
    assert np.asarray(board).shape[1] < np.asarray(board).shape[2] + 50
    name = model.directions["geometry"].names[0]
    np.testing.assert_array_equal(traversal, dgn.show.traversal(model, "geometry", name))
    assert np.asarray(dgn.show.traversal(model)).shape[1] > 2 * np.asarray(traversal).shape[1]
    assert len(dgn.show.traversal(model, "appearance", 2, z[0])) == 1
    morph = dgn.show.morph(model, z[0], z[1], frames=4)
    np.testing.assert_array_equal(morph[0], model.paint(z[0]))
    np.testing.assert_array_equal(morph[-1], model.paint(z[1]))
    with Image.open(morph.save(tmp_path / "morph.gif")) as animation:
        assert animation.n_frames == 4
    with pytest.raises(InputError, match="`start` and `end`"):
        dgn.show.morph(model, z, z[1])


def test_images_are_saved_as_they_are_asked_for(tmp_path, pixels):
    images = dgn.Images(pixels[:3], ["ann", "ben", "eve"])
    assert images._repr_png_().startswith(b"\x89PNG") and images._repr_html_() is None
    images[0].save(tmp_path / "one.png")
    np.testing.assert_array_equal(dgn.load_images(tmp_path / "one.png", side=32).images, images[0])
    with Image.open(images.save(tmp_path / "sheet.jpg")) as sheet:
        assert sheet.width > 3 * 128
    images.save(tmp_path / "folder")
    assert sorted(os.listdir(tmp_path / "folder")) == ["ann.png", "ben.png", "eve.png"]
    with pytest.raises(InputError, match="`path=.*x.tiff`: must end in one of .png"):
        images.save(tmp_path / "x.tiff")
    clips = dgn.Images(pixels.reshape(2, 4, 32, 32, 3))
    assert repr(clips) == "Images(2 clips of 4 frames, 32x32x3)" and "<img" in clips._repr_html_()
    with Image.open(clips.save(tmp_path / "clips.gif")) as animation:
        assert animation.n_frames == 4 and animation.size == (256, 128)


# Clips.


def test_a_model_of_clips_has_the_same_calls(pixels, tmp_path):
    clips = dgn.load_clips(pixels.reshape(4, 2, 32, 32, 3), side=32, frames=2)
    settings = {"alpha": 0.1, "appearance_dim": 2, "geometry_dim": 2, "geometry_noise_dim": 1}
    settings |= {"batch_size": 2, "proposals": "none", "dreams": False, "chain_start": "normal"}
    settings |= {"encoder_rate": "0:2e-3,0.5:1e-3,0.8:3e-4"}
    model = dgn.DynamicGenerator.from_preset("clips_quickstart", frames=2, **settings)
    history = model.fit(clips, epochs=1, verbose=0)
    assert len(history.history["msre"]) == 1
    z = model.infer(clips.subset([0, 1]), steps=10)
    assert repr(model.paint(z)) == "Images(2 clips of 2 frames, 32x32x3)"
    assert model.paint(model.edit(z[0].with_geometry_of(z[1]), geometry={1: 1})).moving
    assert len(dgn.show.board(model, z)) == len(dgn.show.traversal(model, "geometry", 1)) == 1
    assert len(model.sample(2, seed=1)) == len(dgn.show.morph(model, z[0], z[1], 2)) == 2
    assert model.evaluate(clips).numbers["reconstruction"]["msre"] > 0
    model.save(tmp_path / "clips.keras")
    loaded = dgn.load(tmp_path / "clips.keras")
    assert isinstance(loaded, dgn.DynamicGenerator)
    np.testing.assert_array_equal(loaded.paint(z), model.paint(z))
    with pytest.raises(InputError, match="`warp` is for models of images"):
        loaded.warp(pixels[0], widen=1)
    with pytest.raises(InputError, match="`align` is for images"):
        loaded.infer(clips, align="eyes")
