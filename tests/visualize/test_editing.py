import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dgn_tf.config.edits import Edit, parse_edit
from dgn_tf.config.infer import check_format
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.animation import save_animation, write_animations
from dgn_tf.visualize.directions import principal_directions
from dgn_tf.visualize.editing import apply_edits, check_edits
from dgn_tf.visualize.images import as_images
from dgn_tf.visualize.traversals import traverse

SIDE = 32
AXIS = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
X, Y = np.meshgrid(AXIS, AXIS)


class Model:
    """Displacements widen by the first latent and roll by the second; images are their dx."""

    latent_dims = {"appearance": 2, "geometry": 2}
    given_groups = class_groups = ()

    def part(self, name, z):
        if name == "appearance":
            return tf.ones([len(z), SIDE, SIDE, 1]) * z[:, :1, None, None] / 8.0
        fields = tf.constant([np.stack([X, 0 * X], -1), np.stack([-Y, X], -1)], tf.float32)
        return tf.einsum("bk,kyxc->byxc", z, fields)

    def combine(self, parts):
        return tf.tanh(parts["appearance"] + parts["geometry"][..., :1] / 4.0)


@pytest.fixture
def latents():
    rng = np.random.default_rng(0)
    scales = {"appearance": [2.0, 0.5], "geometry": [0.5, 3.0]}
    return {name: rng.standard_normal((400, 2)) * s + 1.0 for name, s in scales.items()}


def test_edits_are_read():
    assert parse_edit("geometry:widen=2") == Edit("geometry", "widen", 2.0)
    assert parse_edit("geometry: shift x 2 = -1.5e0") == Edit("geometry", "shift x 2", -1.5)
    assert parse_edit("appearance:1=.5") == Edit("appearance", "1", 0.5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "geometry",
        "geometry:1",
        "1=2",
        ":1=2",
        "geometry:=2",
        "geometry:1=",
        "geometry:1=big",
        "geometry:1=nan",
        "geometry:1=inf",
    ],
)
def test_what_is_no_edit_is_refused_with_the_form(text):
    with pytest.raises(InputError, match=f"`edit={text}`: .*must be GROUP:DIRECTION=VALUE"):
        parse_edit(text)


@pytest.mark.parametrize("direction", ["0", "3", "-1", "+1"])
def test_numbers_out_of_range_are_refused(direction):
    dims = Model.latent_dims
    check_edits([Edit("geometry", "2", 1.0), Edit("geometry", "widen", 1.0)], dims)
    with pytest.raises(InputError, match="of the geometry are numbered from 1 to 2"):
        check_edits([Edit("geometry", "1", 1.0), Edit("geometry", direction, 1.0)], dims)
    with pytest.raises(InputError, match="no geometry; it has appearance"):
        check_edits([Edit("geometry", "1", 1.0)], {"appearance": 2})


def test_edits_are_steps_in_standard_deviations_and_add_up(latents):
    directions = principal_directions(Model(), latents)
    assert directions["geometry"].names == ("roll", "widen")
    edits = [
        Edit("geometry", "widen", 2.0),
        Edit("geometry", "1", -1.0),
        Edit("geometry", "2", 1.0),
        Edit("appearance", "1", 3.0),
    ]
    few = {name: z[:3] for name, z in latents.items()}
    before = {name: z.copy() for name, z in few.items()}
    moved = apply_edits(few, edits, directions)
    # Fields (x, 0) and (-y, x) move the image the other way: a positive step is a negative one.
    np.testing.assert_allclose(
        moved["geometry"] - few["geometry"], np.tile([-3 * 0.5, 3.0], (3, 1)), atol=0.35
    )
    np.testing.assert_allclose(
        moved["appearance"] - few["appearance"], np.tile([6.0, 0.0], (3, 1)), atol=0.5
    )
    for name in few:
        np.testing.assert_array_equal(few[name], before[name])


def test_unknown_names_are_refused_with_the_known_ones(latents):
    directions = principal_directions(Model(), latents)
    message = (
        "geometry:grin=1`: no such direction; give a number from 1 to 2 or one of: roll, widen"
    )
    with pytest.raises(InputError, match=message):
        apply_edits(latents, [Edit("geometry", "grin", 1.0)], directions)
    with pytest.raises(InputError, match="give a number from 1 to 2.$"):
        apply_edits(latents, [Edit("appearance", "widen", 1.0)], directions)


def test_names_of_people_lead_out_of_no_folder(latents, tmp_path):
    directions = principal_directions(Model(), latents)
    named = directions["geometry"]._replace(names=("up/../down", "a\\b c"))
    z_a = np.array([-1.0, 0.0])
    write_animations(tmp_path, Model(), latents, {"geometry": named}, z_a, "gif", count=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "geometry-1-up_.._down.gif",
        "geometry-2-a_b_c.gif",
    ]


def test_animations_go_to_both_ends_and_back(latents, tmp_path):
    z_a = np.array([-1.0, 0.0])
    directions = principal_directions(Model(), latents)
    write_animations(tmp_path, Model(), latents, directions, z_a, "gif", count=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "appearance-1.gif",
        "appearance-2.gif",
        "geometry-1-roll.gif",
        "geometry-2-widen.gif",
    ]
    along = directions["geometry"]
    ends = traverse(Model(), latents, "geometry", along, columns=3, appearance=z_a)
    expected = as_images(ends[1], 4).astype(int)
    with Image.open(tmp_path / "geometry-2-widen.gif") as clip:
        assert (clip.n_frames, clip.info["duration"], clip.info["loop"]) == (60, 40, 0)
        for frame, image in ((0, 0), (15, 1), (30, 2), (45, 1)):
            clip.seek(frame)
            shown = np.asarray(clip.convert("RGB")).astype(int)
            # A GIF has 256 colors.
            assert np.abs(shown - expected[image]).max() <= 12
    assert np.abs(expected[0] - expected[2]).max() > 50


def clip():
    """16 frames of a bar that moves to the right."""
    frames = np.zeros((16, 64, 64, 3), np.uint8)
    for k, frame in enumerate(frames):
        frame[:, 4 * k : 4 * k + 4] = 255
    return frames


def test_mp4_read_back(tmp_path):
    av = pytest.importorskip("av")
    check_format("mp4")
    save_animation(tmp_path / "deep" / "a.mp4", clip())
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.mp4"]
    with av.open(str(tmp_path / "deep" / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate) == ("h264", 25)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == 16
    for frame, original in zip(frames, clip(), strict=True):
        assert np.abs(frame.astype(float) - original).mean() < 10


def test_mp4_without_its_writer_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    check_format("gif")
    with pytest.raises(
        InputError, match=r"`animate`: MP4 needs PyAV: pip install \"dgn_tf\[video\]\""
    ):
        check_format("mp4")
