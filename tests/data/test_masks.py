"""Images whose bytes are 0 and 1 are nearly black, which is told wherever images come from."""

import numpy as np
import pytest
from PIL import Image

import dgn_tf as dgn


def masks(tmp_path, top):
    """The same images from every kind of source."""
    pixels = np.zeros((4, 32, 32, 3), np.uint8)
    pixels[:, 8:24, 8:24] = top
    np.savez(tmp_path / "a.npz", images=pixels)
    (tmp_path / "a").mkdir()
    for row, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "a" / f"{row}.png")
    return {
        "array": pixels,
        "list": list(pixels),
        "npz": str(tmp_path / "a.npz"),
        "folder": str(tmp_path / "a"),
        "file": str(tmp_path / "a/0.png"),
    }


@pytest.mark.parametrize("kind", ["array", "list", "npz", "folder", "file"])
@pytest.mark.parametrize("top", [0, 1, 2])
def test_zeros_and_ones_are_told(kind, top, tmp_path, caplog):
    dgn.load_images(masks(tmp_path, top)[kind], side=32)
    told = "no value of its images is above 1" in caplog.text
    assert told == (top == 1)


def test_zeros_and_ones_of_clips_are_told(caplog):
    dgn.load_clips(np.ones((1, 2, 32, 32, 3), np.uint8), side=32, frames=2)
    assert "no value of its images is above 1" in caplog.text
