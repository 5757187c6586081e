"""A trained generator in Python: asked, changed and looked at."""

import dataclasses
import logging
import os

import keras
import numpy as np
import pytest
from PIL import Image

import dgn_tf as dgn
from dgn_tf.api.directions import DirectionTable
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.directions import Directions


def test_the_history_has_every_number_of_every_epoch(trained):
    assert isinstance(trained.history, keras.callbacks.History)
    assert trained.history.epoch == [0, 1]
    assert {"msre", "loss", "val_msre"} <= trained.history.history.keys()
    assert all(len(values) == 2 for values in trained.history.history.values())
    assert len(list((trained.folder / "tensorboard" / "validation").iterdir())) == 1


def test_latents_know_their_images_and_how_well_they_fit(trained, z, monkeypatch):
    assert len(z) == 2 and z.names == trained.held_out.names
    painted = np.asarray(trained.model.paint(z)) / 255.0
    errors = np.square(trained.held_out.images / 255.0 - painted).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(z.error, errors, rtol=0.01)
    # Noise is learned by nobody in two epochs, and nothing is judged then.
    known = trained.model.known
    assert known.statistics.hardly_trained and z.typical is None
    judging = dataclasses.replace(known.statistics, mean_errors=None)
    monkeypatch.setattr(known, "statistics", judging)
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
        ({"geometry": {"grin": 2}}, "'grin'.* there is no such direction; there are "),
        ({"geometri": {1: 1}}, "`geometri`: the model has no such group; did you mean geometry"),
        ({"geometry": {1.5: 1}}, r"`geometry=.1.5: ....`: there is no such direction"),
        ({"geometry": {1: "x"}}, "a step must be a finite number, not 'x'"),
        ({"geometry": {1: np.nan}}, "a step must be a finite number"),
    ],
)
def test_a_wrong_edit_names_it(trained, z, steps, message):
    with pytest.raises(InputError, match=message):
        trained.model.edit(z, **steps)


def test_what_are_no_latents_is_said(trained, z):
    model = trained.model
    for asked in (
        model.paint,
        lambda given: model.edit(given, geometry={1: 1}),
        lambda given: dgn.show.board(model, given),
        lambda given: dgn.show.parts(model, given),
        lambda given: dgn.show.traversal(model, z=given),
    ):
        with pytest.raises(InputError, match="`z` must be Latents, .* it is ndarray"):
            asked(z["geometry"])
        with pytest.raises(InputError, match="`z` holds no latents"):
            asked(z[[]])
    with pytest.raises(InputError, match="`other` must be Latents, not ndarray"):
        z.with_geometry_of(z["geometry"])
    with pytest.raises(InputError, match="`end` holds no latents"):
        dgn.show.morph(model, z[0], z[[]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0, 1], [np.nan, 0]], "geometry must be finite; there is a NaN or an infinity in row 1"),
        ([[np.inf, 1], [0, 0]], "geometry must be finite; there is a NaN or an infinity in row 0"),
        ([["a", "b"], ["c", "d"]], "`groups`: geometry must be numbers"),
        (np.ma.masked_equal([[0, 1], [2, 3]], 1), "geometry has masked values"),
        ([[0, 1], [2]], "geometry has parts of different shapes"),
        ([0, 1], r"must be arrays \[N, d\] of one N"),
    ],
)
def test_latents_are_finite_numbers(values, message):
    with pytest.raises(InputError, match=message):
        dgn.Latents({"appearance": np.zeros([2, 3]), "geometry": values})


@pytest.mark.parametrize("name", ["names", "images", "error", "typical"])
def test_what_is_known_of_latents_is_of_each(name):
    with pytest.raises(InputError, match=f"`{name}` are 1, and the latents 2"):
        dgn.Latents({"geometry": np.zeros([2, 3])}, **{name: np.zeros(1, str)})


def test_a_morph_from_what_has_a_name_to_what_has_none(trained, z):
    drawn = dgn.Latents(z[1].groups)
    assert z[0].names and len(dgn.show.morph(trained.model, z[0], drawn, frames=3)) == 3


def test_latents_may_be_lists():
    made = dgn.Latents({"geometry": [[0, 1], [2, 3]]})
    assert repr(made) == "Latents(2: geometry 2)"
    np.testing.assert_array_equal(made[1]["geometry"], [[2, 3]])


def test_a_model_that_is_called_says_what_to_call(trained, z):
    for given in (z, np.zeros([1, 32, 32, 3])):
        with pytest.raises(InputError, match=r"of Latents call `paint\(z\)`, of images `infer`"):
            trained.model(given)
    assert trained.model(z.groups).shape == (2, 32, 32, 3)


def test_swapping_takes_the_geometry_of_another(trained, z):
    swapped = z[0].with_geometry_of(z[1])
    np.testing.assert_array_equal(swapped["appearance"], z["appearance"][:1])
    np.testing.assert_array_equal(swapped["geometry"], z["geometry"][1:])
    np.testing.assert_array_equal(z.with_appearance_of(z[0])["appearance"][1], z["appearance"][0])
    three = z[[0, 1, 0]]
    with pytest.raises(InputError, match="`other` has 3 latents: 2, or one for all"):
        z.with_geometry_of(three)


def test_samples_repeat_with_their_seed(trained, caplog):
    trained.model.known.told = False
    model = trained.model
    first = model.sample(3, seed=5)
    np.testing.assert_array_equal(first, model.sample(3, seed=5))
    assert not np.array_equal(first, model.sample(3, seed=6))
    # Each has a seed of its own, as the command gives them.
    np.testing.assert_array_equal(first[1:], model.sample(2, seed=6))
    assert len(model.sample(2, source="prior")) == 2
    assert caplog.text.count("This model is hardly trained") == 1
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
    # As telephones store it: lying, with a word on how it is turned.
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.rot90(image)).save(tmp_path / "cat.png", exif=turned)
    again = trained.model.warp(Image.open(tmp_path / "cat.png"), geometry={1: 2})
    np.testing.assert_array_equal(again, moved)
    for settings, message in (({"appearance": {1: 1}}, "only the geometry"), ({}, "needs a step")):
        with pytest.raises(InputError, match=message):
            trained.model.warp(image, **settings)


def test_a_report_is_shown_printed_and_saved(trained, tmp_path):
    report = trained.model.evaluate(trained.held_out)
    assert report.numbers["reconstruction"]["msre_mean_image"] > 0
    assert repr(report).startswith("Report(2 images, error ")
    assert "reconstruction error" in str(report) and "<table>" in report._repr_html_()
    assert "val_msre of a training is usually a little higher" in str(report)
    with pytest.raises(InputError, match="`folder=.*report.pdf`: a report is a folder"):
        report.save(tmp_path / "report.pdf")
    report.save(tmp_path / "report")
    assert (tmp_path / "report" / "report.html").is_file()
    loaded = dgn.load(trained.folder).evaluate(trained.held_out)
    for name in ("msre", "msre_mean_image"):
        assert loaded.numbers["reconstruction"][name] == pytest.approx(
            report.numbers["reconstruction"][name], rel=1e-4
        )


def test_of_many_directions_the_table_shows_the_strongest():
    names = tuple(f"direction {k}" for k in range(1, 31))
    many = Directions(np.zeros(30), np.eye(30), np.arange(30.0, 0.0, -1.0), names)
    table = DirectionTable({"geometry": many})
    assert repr(table).splitlines()[-1] == "  and 18 more, in rows()" and len(table.rows()) == 30
    assert "direction 12<" in table._repr_html_() and "direction 13<" not in table._repr_html_()


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
    both, one = (np.asarray(dgn.show.parts(model, some)).shape for some in (z[:2], z[0]))
    # A column for each image; rows of data, two of its canonical image, two of what is made.
    assert both[1] == one[1] > 5 * 128 and both[2] == one[2] + 132
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
    with Image.open(images[0].save(tmp_path / "one.png")) as one:
        assert one.size == (384, 384)
    with Image.open(dgn.Images(pixels[:1, :30, :30]).save(tmp_path / "own.png")) as own:
        np.testing.assert_array_equal(own, pixels[0, :30, :30])
    with Image.open(images.save(tmp_path / "sheet.jpg")) as sheet:
        assert sheet.size == (2 * 132 + 16, 2 * 132 + 16)
    images.save(tmp_path / "folder")
    assert sorted(os.listdir(tmp_path / "folder")) == ["ann.png", "ben.png", "eve.png"]
    found = dgn.load_images(tmp_path / "folder", side=32).images
    np.testing.assert_array_equal(found, pixels[:3])
    with pytest.raises(InputError, match="`path=.*x.tiff`: must end in one of .png"):
        images.save(tmp_path / "x.tiff")
    for name in ("taken.gif", "taken.png"):
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match="`path=.*taken.* is a folder: name a file"):
            images.save(tmp_path / name)
    assert images.save(tmp_path / "b.MP4").stat().st_size
    clips = dgn.Images(pixels.reshape(2, 4, 32, 32, 3))
    assert repr(clips) == "Images(2 clips of 4 frames, 32x32x3)" and "<img" in clips._repr_html_()
    with Image.open(clips.save(tmp_path / "clips.GIF")) as animation:
        assert animation.n_frames == 4 and animation.size == (280, 148)


def test_of_no_images_nothing_is_saved(tmp_path, pixels):
    for shape in (pixels.shape, (2, 4, 32, 32, 3)):
        none = dgn.Images(pixels.reshape(shape)[:0])
        assert none._repr_png_() is None and none._repr_html_() is None
        for name in ("none.png", "none.gif", "none"):
            with pytest.raises(InputError, match="0 .*: there is nothing to show or save"):
                none.save(tmp_path / name)
    assert not os.listdir(tmp_path)
    with pytest.raises(InputError, match="`names` are 1, and the images 3"):
        dgn.Images(pixels[:3], ["ann"])


@pytest.mark.parametrize(("count", "across", "down"), [(2, 2, 1), (4, 2, 2), (9, 3, 3), (10, 4, 3)])
def test_several_are_shown_in_a_grid_that_is_about_square(tmp_path, count, across, down):
    size = (across * 132 + 16, down * 132 + 16)
    images = dgn.Images(np.zeros([count, 32, 32, 3], np.uint8))
    assert images.sheet().shape == (size[1], size[0], 3)
    clips = dgn.Images(np.zeros([count, 2, 32, 32, 3], np.uint8))
    with Image.open(clips.save(tmp_path / "clips.gif")) as animation:
        assert animation.size == size


def test_a_summary_has_the_networks_with_their_parameters(trained):
    lines = []
    trained.model.summary(print_fn=lines.append)
    rows = [line.split() for line in lines[0].splitlines()]
    counts = {row[0]: row[-1] for row in rows[2:-1]}
    assert counts.keys() == {"appearance", "geometry", "encoder", "all"}
    assert counts["all"] == f"{trained.model.count_params():,}" and rows[2][1] == "3"
    for place in rows[-1][1:]:
        eval(place.rstrip(",").replace("summary", "count_params"), {"model": trained.model})


@pytest.mark.slow
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


def test_a_photograph_is_driven_by_frames_and_files(trained, pixels, tmp_path):
    model, quick = trained.model, {"steps": 10, "smooth": 0.5}
    clip = model.drive(pixels[0], pixels[1:5], **quick)
    assert clip.moving and clip.pixels.shape == (1, 4, 32, 32, 3) and clip.rate == 25
    clip.save(tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as saved:
        assert saved.n_frames == 4 and saved.info["duration"] == 40
    file = model.drive(pixels[0], tmp_path / "a.gif", relative=True, limit=2, **quick)
    assert file.pixels.shape[1] == 2 and not np.array_equal(file.pixels, clip.pixels[:, :2])
    for wrong, wanted in (
        ({"video": pixels[1:5, ..., 0]}, r"`video` must be a file, or frames uint8"),
        ({"video": pixels[1:5], "smoth": 1}, "`smoth`: there is no such setting.*smooth"),
        ({"video": pixels[1:5], "fps": 5}, "`fps=5` is for files"),
        ({"face": pixels[:2], "video": pixels[1:5]}, "`face` must be one image; there are 2"),
    ):
        with pytest.raises(InputError, match=wanted):
            model.drive(**{"face": pixels[0], **wrong})


def test_what_tensorflow_warns_of_is_not_heard(trained, z, monkeypatch, caplog):
    def paint(*_):
        logging.getLogger("tensorflow").warning("5 out of the last 5 calls triggered retracing")

    monkeypatch.setattr("dgn_tf.api.asking.paint", paint)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    trained.model.paint(z)
    assert not caplog.records
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    trained.model.paint(z)
    assert len(caplog.records) == 1
