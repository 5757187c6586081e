"""Learned geometry on images of any size (Fig. 12a)."""

import json

import numpy as np
import pytest
from PIL import Image

from dgn_tf import infer, train
from dgn_tf.data.sources.files import load_photograph
from dgn_tf.ops.resizing import enlarged_field
from dgn_tf.runs.restoring import load_chains, load_run
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.photographs import warp_photograph


def test_a_field_is_enlarged_with_its_pixels():
    axis = np.arange(8.0)
    ramp = np.stack(np.meshgrid(0.5 * axis, -0.25 * axis), axis=-1)
    big = enlarged_field(ramp[None], 32, 32)[0].numpy()
    # The center of image pixel x lies at (x + 0.5) / 4 - 0.5 of the field; pixels are 4 times as
    # many.
    places = np.clip((np.arange(32) + 0.5) / 4 - 0.5, 0, 7)
    np.testing.assert_allclose(big[5, :, 0], 4 * 0.5 * places, atol=1e-5)
    np.testing.assert_allclose(big[:, 9, 1], 4 * -0.25 * places, atol=1e-5)


def test_beyond_the_center_square_it_goes_on_as_at_its_border():
    rng = np.random.default_rng(0)
    field = rng.standard_normal((8, 8, 2))
    wide = enlarged_field(field[None], 16, 40)[0].numpy()
    np.testing.assert_array_equal(wide[:, :12], np.repeat(wide[:, 12:13], 12, axis=1))
    np.testing.assert_array_equal(wide[:, 12:28], enlarged_field(field[None], 16, 16)[0])
    np.testing.assert_array_equal(wide[:, 28:], np.repeat(wide[:, 27:28], 12, axis=1))


def test_images_are_moved_by_what_the_field_says():
    image = np.random.default_rng(1).integers(0, 256, (24, 40, 3), np.uint8)
    np.testing.assert_array_equal(warp_photograph(image, np.zeros((8, 8, 2))), image)
    right = np.zeros((8, 8, 2)) + [1.0, 0.0]
    # One pixel of the field is three of the image.
    moved = warp_photograph(image, right)
    np.testing.assert_array_equal(moved[:, :-3], image[:, 3:])
    np.testing.assert_array_equal(moved[:, -3:], np.repeat(image[:, -1:], 3, axis=1))


def test_photographs_are_read_upright_at_their_size(tmp_path):
    pixels = np.random.default_rng(2).integers(0, 256, (5, 9, 3), np.uint8)
    turned = Image.fromarray(pixels)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(load_photograph(f"{tmp_path}/a.png"), np.rot90(pixels, -1))
    with pytest.raises(InputError, match="b.png does not exist"):
        load_photograph(f"{tmp_path}/b.png")


@pytest.fixture(scope="module")
def deforming_run(run_app, tmp_path_factory):
    root = tmp_path_factory.mktemp("deforming")
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32), dtype=np.uint8)
    np.savez(root / "data.npz", images=images)
    said = run_app(
        train,
        f"--data=npz:{root}/data.npz",
        "--side=32",
        "--channels=1",
        "--appearance_dim=2",
        "--geometry_dim=2",
        "--alpha=0.1",
        "--batch_size=4",
        "--langevin_steps=1",
        "--epochs=1",
        "--step_size=0.5",
        f"--run_dir={root}/run",
    )
    assert said.status == 0, said.err
    return root


def test_the_program_warps_photographs(deforming_run, run_app, tmp_path):
    pixels = np.random.default_rng(3).integers(0, 256, (48, 80, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "cat.png")
    given = (f"--run_dir={deforming_run}/run", f"--warp_image={tmp_path}/cat.png")
    for value, out in ((0, "still"), (2, "moved")):
        said = run_app(
            infer, *given, f"--edit=geometry:1={value}", f"--output_dir={tmp_path}/{out}"
        )
        assert said.status == 0, said.err
    still = np.asarray(Image.open(tmp_path / "still/warped/cat.png"))
    np.testing.assert_array_equal(still, pixels)
    z = load_chains(deforming_run / "run")["geometry"].astype(np.float64)
    _, model = load_run(deforming_run / "run")
    values, vectors = np.linalg.eigh(np.cov(z.T, ddof=0))
    step = 2 * np.sqrt(values[-1]) * vectors[:, -1]
    mean = z.mean(axis=0)
    moved = np.asarray(Image.open(tmp_path / "moved/warped/cat.png"))
    # The direction may point either way.
    before, *after = (
        model.part("geometry", np.float32(z_g[None]))[0].numpy()
        for z_g in (mean, mean + step, mean - step)
    )
    expected = [warp_photograph(pixels, field - before) for field in after]
    errors = [np.abs(moved.astype(int) - image).max() for image in expected]
    assert min(errors) <= 1 < max(errors)
    assert json.loads((tmp_path / "moved/report.json").read_text())["edit"] == ["geometry:1=2"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "--warp_image goes with --edit=geometry:DIRECTION=VALUE."),
        (("--edit=geometry:1=1", "--data=heads"), "and without --data."),
        (("--edit=geometry:1=1", "--steps=20"), "and without --steps."),
        (("--edit=appearance:1=1",), "--edit=appearance:... moves nothing"),
        (("--edit=geometry:9=1",), "numbered from 1 to 2"),
    ],
)
def test_what_cannot_be_warped_is_refused(deforming_run, run_app, tmp_path, flags, message):
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    said = run_app(
        infer,
        f"--run_dir={deforming_run}/run",
        f"--warp_image={tmp_path}/cat.png",
        *flags,
        f"--output_dir={tmp_path}/out",
    )
    assert said.status == 2 and message in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("image", "field", "said"),
    [
        (np.zeros((4, 4, 3)), np.zeros((2, 2, 2)), "image must be uint8 .* not float64"),
        (np.zeros((4, 4), np.uint8), np.zeros((2, 2, 2)), "image must be uint8"),
        (np.zeros((4, 4, 3), np.uint8), np.full((2, 2, 2), np.nan), "displacement must be finite"),
    ],
)
def test_what_is_no_photograph_is_not_warped(image, field, said):
    with pytest.raises(InputError, match=said):
        warp_photograph(image, field)
