"""Frames of one video or animation in order, and how fast they follow each other."""

import numpy as np
import pytest
from PIL import Image

from dgn_tf.data.sources.film import load_film, read_frames
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.animation import save_animation


@pytest.fixture
def levels():
    """Six gray frames, 40 x 32, each brighter than the one before."""
    return np.repeat(np.arange(0, 240, 40, np.uint8), 32 * 40 * 3).reshape(6, 32, 40, 3)


@pytest.mark.parametrize("name", ["a.gif", "a.mp4"])
def test_frames_and_their_rate_are_those_that_were_written(levels, tmp_path, name):
    if name.endswith(".mp4"):
        pytest.importorskip("av")
    save_animation(tmp_path / name, levels, 12.5)
    film = load_film(str(tmp_path / name), 32, 3)
    assert film.frames.shape == (6, 32, 32, 3) and film.rate == pytest.approx(12.5, abs=0.01)
    np.testing.assert_allclose(film.frames.mean((1, 2, 3)), levels.mean((1, 2, 3)), atol=4)
    whole = list(read_frames(str(tmp_path / name), 0, 1))
    assert [frame.shape for _, frame in whole] == [(32, 40, 1)] * 6
    np.testing.assert_allclose([s for s, _ in whole], 0.08 * np.arange(6), atol=0.002)


def test_other_rates_and_fewer_frames_can_be_asked_for(levels, tmp_path, caplog):
    save_animation(tmp_path / "a.gif", levels, 12.5)
    load_film(str(tmp_path / "a.gif"), 16, 1, fps=12.5)
    assert not caplog.text
    film = load_film(str(tmp_path / "a.gif"), 16, 1, fps=25, limit=5)
    assert film.rate == 25 and film.frames.shape == (5, 16, 16, 1)
    # Twice as many a second: each frame is there twice, but for the ends.
    assert len(np.unique(film.frames)) == 3
    assert "a.gif: `fps=25` repeats frames: it has fewer a second of its own, 12.5" in caplog.text
    # Read a second time, to cut what the first found, it is told no second time.
    caplog.clear()
    load_film(str(tmp_path / "a.gif"), 16, 1, fps=25, again=True)
    assert not caplog.text


def test_what_is_no_video_is_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "still.png")
    (tmp_path / "notes.txt").write_text("notes")
    for name in ("still.png", "notes.txt", "none.mp4"):
        with pytest.raises(InputError, match=f"{name}: is not a video"):
            load_film(str(tmp_path / name), 32, 3)
    (tmp_path / "broken.gif").write_bytes(b"GIF89a")
    with pytest.raises(InputError, match="broken.gif: no frame can be read: "):
        load_film(str(tmp_path / "broken.gif"), 32, 3)
