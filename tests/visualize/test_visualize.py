import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dgn_tf.data.examples import Examples, as_bytes
from dgn_tf.models.baselines.abp import PlainGenerator
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.ops.warp import warp
from dgn_tf.training.chains import Chains
from dgn_tf.utils.painted import is_painted
from dgn_tf.visualize import callback as callbacks
from dgn_tf.visualize.callback import SampleSheets
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.directions import orient, unnamed_directions
from dgn_tf.visualize.grids import draw_grid, grid_lines
from dgn_tf.visualize.images import as_images, lay_out, save_png, whole_factor
from dgn_tf.visualize.sheets import prior_sheet, recombination_board, recombine, sample_sheet
from dgn_tf.visualize.traversals import traversal_sheet, traverse

SIDE = 32


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    appearance, geometry = AppearanceGenerator(3, SIDE, 3, 0.2), GeometricGenerator(3, SIDE, 0.2)
    return DeformableGenerator(appearance, geometry)


@pytest.fixture(scope="module")
def plain():
    keras.utils.set_random_seed(3)
    return PlainGenerator(AppearanceGenerator(3, SIDE, 1, 0.2))


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def latents_of(model, count, seed=0):
    return {name: normal(count, dim, seed=seed) for name, dim in model.latent_dims.items()}


def call(model, **latents):
    return model({name: tf.constant(z, tf.float32) for name, z in latents.items()}).numpy()


def inner_columns(coverage):
    """Where vertical lines stand in a row between two horizontal ones, as centers of mass."""
    row = coverage[coverage.shape[0] // 2 + 16]
    inked = np.flatnonzero(row > 0)
    runs = np.split(inked, np.flatnonzero(np.diff(inked) > 1) + 1)
    return np.array([np.average(run, weights=row[run]) for run in runs])


def test_the_canonical_grid_has_eight_even_cells():
    lines = grid_lines(np.zeros((1, 64, 64, 2), np.float32), 4)[0]
    assert lines.shape == (256, 256)
    # Cells of 64 / 8 pixels, enlarged by 4; a line between two pixels is shared by both.
    np.testing.assert_allclose(inner_columns(lines)[1:-1], np.arange(1, 8) * 32 - 0.5, atol=1e-5)
    np.testing.assert_array_equal(lines, lines.T)


def test_a_shift_by_three_pixels_shifts_the_lines_by_three_pixels():
    field = np.zeros((1, 64, 64, 2), np.float32)
    straight = grid_lines(field, 4)[0]
    field[..., 0] = 3.0
    shifted = grid_lines(field, 4)[0]
    # What is read 3 pixels to the right is shown 3 pixels, enlarged 12, to the left.
    np.testing.assert_allclose(shifted[:, :-12], straight[:, 12:], atol=1e-5)
    field[..., 0], field[..., 1] = 0.0, -3.0
    lowered = grid_lines(field, 4)[0]
    np.testing.assert_allclose(lowered[12:], straight[:-12], atol=1e-5)


def test_lines_lie_where_the_warp_puts_them():
    y, x = np.mgrid[:64, :64].astype(np.float32)
    field = np.stack([4 * np.sin(y / 9) + x / 16, 3 * np.cos(x / 11)], -1)[None]
    # On images of u and v themselves the warp shows which canonical point each pixel reads.
    ramps = np.stack([x, y], -1)[None]
    u, v = np.moveaxis(warp(ramps, field, jit_compile=False).numpy()[0], -1, 0)
    inside = (u > 0.5) & (u < 62.5) & (v > 0.5) & (v < 62.5)
    off = np.minimum(*(np.abs((w + 0.5) - 8 * np.rint((w + 0.5) / 8)) for w in (u, v)))
    covered = grid_lines(field, 1)[0] > 0.7
    # Covered by 0.7 means at most 0.55 pixels off; the map stretches by 1.5 at most.
    assert off[inside & covered].max() < 0.55 * 1.5
    assert not (covered & inside & (off > 2)).any()
    assert covered[inside & (off < 0.2)].all()


def test_line_width_does_not_follow_the_stretch():
    field = np.zeros((1, 64, 64, 2), np.float32)
    field[..., 0] = -0.5 * np.arange(64)  # u = x / 2: the image is enlarged twofold
    row = grid_lines(field, 4)[0][16]
    # The line u = 7.5 is shown at x = 15, enlarged 61.5, between two pixels, 1.5 pixels wide.
    np.testing.assert_allclose(row[58:66], [0, 0, 0, 0.75, 0.75, 0, 0, 0], atol=1e-3)


def test_a_constant_field_does_not_flood_the_image():
    field = np.zeros((1, 64, 64, 2), np.float32)
    field[..., 0] = 29.0 - np.arange(64)  # every pixel of a row reads u = 29
    assert grid_lines(field, 2)[0][20].max() == 0.0


def test_grid_is_drawn_over_the_image_only_where_lines_are():
    images = normal(2, SIDE, SIDE, 3).clip(-1, 1)
    field = normal(2, 1, 1, 2, seed=1) * np.ones((2, SIDE, SIDE, 2), np.float32)
    drawn, bare = draw_grid(images, field, 4), as_images(images, 4)
    lines = grid_lines(field, 4)
    np.testing.assert_array_equal(drawn[lines == 0], bare[lines == 0])
    assert np.abs(drawn[lines == 1].astype(int) - [255, 225, 60]).max() < 60


def test_images_are_enlarged_whole_and_gray_becomes_rgb():
    assert [whole_factor(side) for side in (32, 64, 128, 256)] == [4, 2, 1, 1]
    gray = as_images(np.full((2, 8, 8, 1), 0.2, np.float32), 3)
    np.testing.assert_array_equal(gray, np.full((2, 24, 24, 3), 153, np.uint8))
    stored = np.arange(192, dtype=np.uint8).reshape(1, 8, 8, 3)
    np.testing.assert_array_equal(as_images(stored), stored)


def test_laid_out_images_keep_their_pixels():
    rows = [np.random.default_rng(k).integers(0, 99, (3, 20, 20, 3), np.uint8) for k in range(2)]
    bare = lay_out(rows, ["", ""])
    np.testing.assert_array_equal(bare[10:30, 10:30], rows[0][0])
    np.testing.assert_array_equal(bare[34:54, 58:78], rows[1][2])
    assert bare.shape == (64, 88, 3)
    captioned = lay_out(rows, ["first", "second\nrow"], ["a", "b", "c"])
    np.testing.assert_array_equal(captioned[-30:-10, -30:-10], rows[1][2])
    margin = captioned[:, : captioned.shape[1] - 78]
    assert (margin[-30:-10] < 100).any() and (captioned[:-54, -78:] < 100).any()
    with pytest.raises(ValueError):
        lay_out(rows, ["one"])


@pytest.mark.parametrize("channels", [1, 3])
def test_png_round_trip_leaves_nothing_else(tmp_path, channels):
    image = np.random.default_rng(0).integers(0, 256, (9, 7, channels), np.uint8)
    save_png(tmp_path / "deep" / "a.png", np.zeros((2, 2, 3), np.uint8))
    save_png(tmp_path / "deep" / "a.png", image)
    read = np.asarray(Image.open(tmp_path / "deep" / "a.png")).reshape(image.shape)
    np.testing.assert_array_equal(read, image)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.png"]


def test_decode_is_the_model_whatever_the_count(model):
    latents = latents_of(model, 41)
    images, parts = decode(model, latents)
    np.testing.assert_allclose(images, call(model, **latents), atol=1e-5)
    for name, z in latents.items():
        np.testing.assert_allclose(parts[name], model.part(name, tf.constant(z)), atol=1e-5)


def test_principal_directions_of_a_known_cloud():
    rotation, _ = np.linalg.qr(normal(3, 3))
    z = normal(20000, 3) * [0.5, 3.0, 1.0] @ rotation.T + [1, 2, 3]
    mean, axes, scales, _ = unnamed_directions(z).leading(2)
    np.testing.assert_allclose(mean, [1, 2, 3], atol=0.06)
    np.testing.assert_allclose(scales, [3.0, 1.0], rtol=0.03)
    np.testing.assert_allclose(np.abs(axes @ rotation), [[0, 1, 0], [0, 0, 1]], atol=0.02)
    assert (axes[[0, 1], np.abs(axes).argmax(axis=1)] > 0).all()
    assert len(unnamed_directions(z).leading(9).axes) == 3


def test_traversal_passes_the_mean_and_ends_at_its_reach(model):
    latents = latents_of(model, 50)
    z_a = latents["appearance"][7]
    images = traverse(model, latents, "geometry", columns=5, appearance=z_a)
    mean = latents["geometry"].mean(axis=0)
    center = call(model, appearance=z_a[None], geometry=mean[None])[0]
    for row in images:
        np.testing.assert_allclose(row[2], center, atol=1e-5)
    directions = orient(model, unnamed_directions(latents["geometry"]))
    reach = 2.5 * directions.scales[1] * directions.axes[1]
    end = call(model, appearance=z_a[None], geometry=(mean - reach)[None])[0]
    np.testing.assert_allclose(images[1, 0], end, atol=1e-5)
    assert np.abs(end - center).max() > 0.01


def test_traversal_by_gamma_in_latent_units(model):
    latents = latents_of(model, 50)
    images = traverse(model, latents, "appearance", columns=3, gamma=10.0)
    means = {name: z.mean(axis=0)[None] for name, z in latents.items()}
    axis = unnamed_directions(latents["appearance"]).axes[0]
    end = {**means, "appearance": means["appearance"] + 10.0 * axis}
    np.testing.assert_allclose(images[0, 1], call(model, **means)[0], atol=1e-5)
    np.testing.assert_allclose(images[0, 2], call(model, **end)[0], atol=1e-5)


def test_recombination_takes_appearance_by_row_and_geometry_by_column(model):
    latents = latents_of(model, 4)
    cells = recombine(model, latents)
    for i, j in ((0, 0), (1, 3), (3, 1)):
        z_a, z_g = latents["appearance"][i : i + 1], latents["geometry"][j : j + 1]
        expected = call(model, appearance=z_a, geometry=z_g)[0]
        np.testing.assert_allclose(cells[i, j], expected, atol=1e-5)
    images = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    board = recombination_board(model, images, latents)
    shown, step = 4 * SIDE, 4 * SIDE + 4
    corner = [s - 10 - shown - 4 * step for s in board.shape[:2]]

    def cell(row, column):
        y, x = corner[0] + row * step, corner[1] + column * step
        return board[y : y + shown, x : x + shown]

    originals, made = as_images(images, 4), as_images(cells, 4)
    np.testing.assert_array_equal(cell(0, 3), originals[2])
    np.testing.assert_array_equal(cell(2, 0), originals[1])
    np.testing.assert_array_equal(cell(2, 4), made[1, 3])


def rows_of(sheet, rows):
    """The last image of each row of a sheet without headings."""
    shown = 4 * SIDE
    return [
        sheet[10 + k * (shown + 4) : 10 + k * (shown + 4) + shown, -10 - shown : -10]
        for k in range(rows)
    ]


def test_sample_sheet_has_the_rows_of_figure_2(model):
    images, latents = as_bytes(normal(3, SIDE, SIDE, 3) / 2), latents_of(model, 3)
    reconstructed, parts = decode(model, latents)
    expected = [
        as_images(images, 4)[-1],
        draw_grid(parts["appearance"], None, 4)[-1],
        as_images(parts["appearance"], 4)[-1],
        draw_grid(reconstructed, parts["geometry"], 4)[-1],
        as_images(reconstructed, 4)[-1],
    ]
    found = rows_of(sample_sheet(model, images, latents), 5)
    np.testing.assert_array_equal(found, expected)


def test_sheets_of_a_plain_generator(plain):
    images, latents = as_bytes(normal(3, SIDE, SIDE, 1) / 2), latents_of(plain, 3)
    sheet = sample_sheet(plain, images, latents)
    assert len(sheet) == 20 + 2 * 4 * SIDE + 4
    found = rows_of(sheet, 2)
    np.testing.assert_array_equal(found[0], as_images(images, 4)[-1])
    np.testing.assert_array_equal(found[1], as_images(decode(plain, latents)[0], 4)[-1])
    traversal = traversal_sheet(plain, latents, "appearance")
    assert np.ptp(traversal) > 0


def test_prior_sheet_shows_standard_normal_latents_by_seed(model):
    first = prior_sheet(model, side=2, seed=5)
    np.testing.assert_array_equal(first, prior_sheet(model, side=2, seed=5))
    assert (first != prior_sheet(model, side=2, seed=6)).any()
    rng = np.random.default_rng(5)
    latents = {name: rng.standard_normal((4, 3)).astype(np.float32) for name in model.latent_dims}
    images, parts = decode(model, latents)
    shown = 4 * SIDE
    canonical = as_images(parts["appearance"], 4)[-1]
    np.testing.assert_array_equal(first[-10 - shown : -10, -10 - shown : -10], canonical)
    left = first[:, : first.shape[1] // 2]
    np.testing.assert_array_equal(
        left[-10 - shown : -10, -10 - shown : -10], as_images(images, 4)[-1]
    )


def make_callback(model, folder, every_epochs):
    images = as_bytes(normal(5, SIDE, SIDE, 3) / 2)
    examples = Examples(images, np.arange(5), tuple("abcde"))
    chains = Chains(examples.ids, model.latent_dims, seed=1)

    def latents(examples):
        return {name: z.numpy() for name, z in chains.read(np.arange(len(examples))).items()}

    return chains, SampleSheets(model, latents, examples, folder, every_epochs, count=2)


def test_the_callback_writes_at_its_epochs_and_at_the_end(model, tmp_path, monkeypatch):
    _, callback = make_callback(model, tmp_path, every_epochs=2)
    made = []
    monkeypatch.setattr(
        callback,
        "sheets",
        lambda directions=None: made.append(1) or {"sheet": np.full((2, 2, 3), len(made), "u1")},
    )
    for epoch in range(5):
        callback.on_epoch_end(epoch)
    callback.on_train_end()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        ".dgn_tf.json",
        "epoch-000002",
        "epoch-000004",
        "epoch-000005",
        "latest",
    ]
    newest = np.asarray(Image.open(tmp_path / "latest" / "sheet.png"))
    np.testing.assert_array_equal(newest, 3)
    callback.on_train_end()
    assert len(made) == 3


def test_the_callback_changes_no_training_state(model, tmp_path):
    chains, callback = make_callback(model, tmp_path, every_epochs=1)
    weights = [w.copy() for w in model.get_weights()]
    states = {name: z.numpy() for name, z in chains.groups.items()}
    tf.random.set_seed(1)
    np.random.seed(1)
    expected = tf.random.normal([3]).numpy(), np.random.rand(3)
    tf.random.set_seed(1)
    np.random.seed(1)
    callback.on_epoch_end(0)
    np.testing.assert_array_equal(tf.random.normal([3]), expected[0])
    np.testing.assert_array_equal(np.random.rand(3), expected[1])
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    for name, z in chains.groups.items():
        np.testing.assert_array_equal(states[name], z)
    callback.on_train_end()
    first = {name: z[:2] for name, z in states.items()}
    sheet = sample_sheet(model, callback.examples.images[:2], first)
    for place in ("epoch-000001", "latest"):
        names = sorted(p.name for p in (tmp_path / place).iterdir())
        assert names == [
            "prior.png",
            "sheet.png",
            "traversal_appearance.png",
            "traversal_geometry.png",
        ]
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / place / "sheet.png")), sheet)
        assert all(is_painted(path) for path in (tmp_path / place).iterdir())


def held_back(monkeypatch, callback):
    """Sheets of one pixel, whose value is their number; their files wait for an event."""
    made, released = [], threading.Event()
    monkeypatch.setattr(
        callback,
        "sheets",
        lambda directions=None: made.append(1) or {"sheet": np.full((1, 1, 3), len(made), "u1")},
    )
    encode = callbacks.png_bytes
    monkeypatch.setattr(
        callbacks,
        "png_bytes",
        lambda *given, **level: released.wait(timeout=60) and encode(*given, **level),
    )
    return released


def test_steps_do_not_wait_for_the_files_of_the_sheets(model, tmp_path, monkeypatch):
    _, callback = make_callback(model, tmp_path, every_epochs=1)
    released = held_back(monkeypatch, callback)
    callback.on_epoch_end(0)
    assert not list(tmp_path.rglob("*.png"))
    released.set()
    # The next ones do: files are written in the order of the epochs.
    callback.on_epoch_end(1)
    assert (tmp_path / "epoch-000001" / "sheet.png").exists()
    callback.on_train_end()
    assert np.asarray(Image.open(tmp_path / "latest" / "sheet.png")).max() == 2


def test_files_that_cannot_be_written_are_told_at_the_end_at_the_latest(
    model, tmp_path, monkeypatch
):
    _, callback = make_callback(model, tmp_path, every_epochs=1)
    held_back(monkeypatch, callback).set()
    (tmp_path / "latest").write_text("in the way")
    callback.on_epoch_end(0)
    with pytest.raises(FileExistsError):
        callback.on_train_end()


def test_the_callback_refuses_senseless_settings(model, tmp_path):
    with pytest.raises(ValueError, match="at least 1"):
        make_callback(model, tmp_path, every_epochs=0)
