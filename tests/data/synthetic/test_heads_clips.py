"""Clips of heads: one person in each, expressions that come and go, and the truth of them."""

import numpy as np
import pytest

from dgn_tf.data.synthetic import heads, heads_clips
from dgn_tf.data.synthetic.heads_clips import GEOMETRY, HeadsClipsConfig
from dgn_tf.data.synthetic.motion import EXPRESSIONS, MOVED, SWAY
from dgn_tf.utils.errors import InputError

SMALL = HeadsClipsConfig(side=16, frames=6, train=2, test=1, repeats=2)
TARGETS = np.array([expression.apex for expression in EXPRESSIONS])


def motion(n=600, frames=16, seed=3):
    expression = np.arange(n) % len(EXPRESSIONS)
    return expression, heads_clips.sample_motion(expression, frames, seed)


@pytest.mark.parametrize("frames", [3, 4, 5, 16, 60])
def test_the_face_is_neutral_at_both_ends_and_full_at_the_apex(frames):
    expression, columns = motion(frames=frames)
    face = np.stack([columns[name] for name in MOVED], axis=-1)
    assert not face[:, 0].any() and not face[:, -1].any()
    wanted = columns["strength"][:, None] * TARGETS[expression]
    at_apex = face[np.arange(len(face)), columns["apex"]]
    np.testing.assert_allclose(at_apex, wanted, atol=1e-6)
    # Nowhere more than at the apex, nor the other way round.
    share = face / np.where(wanted == 0, 1, wanted)[:, None]
    assert share.min() >= 0 and share.max() <= 1 + 1e-6


def test_a_face_rises_to_its_apex_and_falls_after_it():
    expression, columns = motion(frames=60)
    for name, targets in zip(MOVED, TARGETS.T, strict=True):
        size = np.abs(columns[name]) * (targets[expression] != 0)[:, None]
        before = np.arange(59) < columns["apex"][:, None]
        steps = np.diff(size, axis=1)
        assert (steps[before] >= -1e-6).all() and (steps[~before] <= 1e-6).all(), name


def test_expressions_differ_in_what_they_do_and_when():
    distance = np.abs(TARGETS[:, None] - TARGETS).max(axis=-1) + 9 * np.eye(6)
    assert distance.min() >= 0.5
    expression, columns = motion(frames=60)
    moving = (np.abs(np.stack([columns[n] for n in MOVED])).max(axis=0) > 1e-3).sum(axis=1)
    lasting = [moving[expression == index].mean() for index in range(6)]
    # Surprise is over sooner than sadness; no two clips of an expression last equally long.
    assert lasting[5] < 0.8 * lasting[4]
    assert min(moving[expression == index].std() for index in range(6)) > 1


def test_the_sway_is_small_smooth_and_does_not_tell_the_expression():
    expression, columns = motion(1200, 16)
    assert {"yaw", "pitch"} | {*MOVED, "strength", "apex"} == set(columns)
    for name, (rest, sway) in SWAY.items():
        assert np.abs(columns[name]).max() <= rest + sway
        # At most three quarters of a turn a clip: 2 pi 0.75 / 15 of the reach from frame to frame.
        assert np.abs(np.diff(columns[name], axis=1)).max() <= 2 * np.pi * 0.75 / 15 * sway
        assert np.diff(columns[name], axis=1).std() > 0.1
        means = [columns[name][expression == index].mean(axis=1) for index in range(6)]
        spread = np.std([mean.mean() for mean in means])
        assert spread < 3 * means[0].std() / np.sqrt(200)


def test_rows_depend_on_nothing_but_the_seed():
    _, columns = motion(50)
    _, fewer = motion(7)
    _, other = motion(7, seed=4)
    for name, column in fewer.items():
        np.testing.assert_array_equal(column, columns[name][:7])
        assert not np.array_equal(column, other[name])
    small = heads_clips.factors_of("train", SMALL)
    large = heads_clips.factors_of(
        "train", HeadsClipsConfig(side=16, frames=6, train=5, test=1, repeats=2)
    )
    for name, column in small.items():
        np.testing.assert_array_equal(column, large[name][: len(column)], err_msg=name)


def test_a_clip_has_one_person_and_splits_have_other_persons():
    splits = {split: heads_clips.factors_of(split, SMALL) for split in ("train", "test")}
    train, test = splits["train"], splits["test"]
    assert train["id"].tolist() == list(range(24)) and test["id"].tolist() == list(range(24, 36))
    assert train["person"].tolist() == 12 * [0] + 12 * [1] and set(test["person"]) == {2}
    for columns in splits.values():
        assert columns["expression"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5] * (
            len(columns["id"]) // 12
        )
        assert (columns["width"] == columns["width"][:, :1]).all()
        for person in set(columns["person"]):
            own = columns["person"] == person
            for name in (*heads.APPEARANCE, "width"):
                assert (columns[name][own] == columns[name][own][0]).all(), name
    firsts = [columns["skin"][::12] for columns in splits.values()]
    assert len(np.unique(np.concatenate(firsts), axis=0)) == 3


def test_clips_are_drawn_frame_by_frame_and_any_pairing_can_be():
    columns = heads_clips.factors_of("train", SMALL)
    chosen = {name: column[[3, 20]] for name, column in columns.items()}
    moved = {name: chosen[name][::-1] for name in GEOMETRY}
    clips = heads_clips.render_clips(chosen, moved, 16)
    assert clips.shape == (2, 6, 16, 16, 3)
    for frame in range(6):
        geometry = {name: column[:, frame] for name, column in moved.items()}
        np.testing.assert_array_equal(clips[:, frame], heads.render(chosen, geometry, 16))


def test_bad_motion_is_named():
    columns = heads_clips.factors_of("test", SMALL)
    with pytest.raises(InputError, match="motion lacks the column.s. smile"):
        heads_clips.render_clips(columns, {n: columns[n] for n in GEOMETRY if n != "smile"}, 16)
    with pytest.raises(InputError, match=r"all of one shape; found yaw \[12, 6\].*width \[12\]"):
        heads_clips.render_clips(columns, columns | {"width": columns["width"][:, 0]}, 16)
    with pytest.raises(InputError, match="appearance lacks the column.s. skin"):
        heads_clips.render_clips({n: columns[n] for n in ("iris", "hair")}, columns, 16)
    with pytest.raises(InputError, match="at least 3 frames .* got 2"):
        HeadsClipsConfig(frames=2)
    with pytest.raises(InputError, match=r"at least 1, got \(100, 0, 1\)"):
        HeadsClipsConfig(test=0)
    with pytest.raises(InputError, match="no split 'views'; it has train, test"):
        heads_clips.factors_of("views", SMALL)


def test_steady_heads_make_the_same_faces_and_hardly_turn():
    steady = HeadsClipsConfig(
        side=16, frames=6, train=2, test=1, repeats=2, sway=heads_clips.STEADY
    )
    assert steady.name == f"{SMALL.name}_sway0.125"
    swaying, still = (heads_clips.factors_of("train", config) for config in (SMALL, steady))
    for name in ("yaw", "pitch"):
        np.testing.assert_allclose(still[name], swaying[name] / 8, rtol=1e-5, atol=1e-6)
    others = [name for name in swaying if name not in ("yaw", "pitch")]
    assert all(np.array_equal(still[name], swaying[name]) for name in others)


def test_names_of_configurations(tmp_path):
    assert SMALL.name == "side16_frames6_2_1_2"
    steady = heads_clips.HeadsClips(config="side48_frames9_sway0.125", data_dir=tmp_path)
    assert steady.builder_config == HeadsClipsConfig(side=48, frames=9, sway=heads_clips.STEADY)
    for config in ("side48_frames9", HeadsClipsConfig(side=48, frames=9)):
        builder = heads_clips.HeadsClips(config=config, data_dir=tmp_path)
        assert builder.info.features["video"].shape == (9, 48, 48, 3)
        assert builder.builder_config.name == "side48_frames9"
    builder = heads_clips.HeadsClips(config=HeadsClipsConfig(), data_dir=tmp_path)
    assert builder.builder_config.name == "side64_frames16"
    assert builder.info.features["expression"].names[3] == "happiness"


def test_loaded_clips_are_the_truth_drawn(tmp_path, monkeypatch, load_data):
    wanted = []
    monkeypatch.setattr(
        heads_clips,
        "HeadsClipsConfig",
        lambda side, frames, sway: wanted.append((side, frames, sway)) or SMALL,
    )
    load = {"channels": 3, "data_dir": str(tmp_path), "frames": 6}
    train = load_data("heads_clips", 16, **load)
    assert wanted == [(16, 6, 1.0)]
    truth = heads_clips.factors_of("train", SMALL)
    assert (train.frames, train.side, train.channels) == (6, 16, 3)
    np.testing.assert_array_equal(train.ids, truth["id"])
    np.testing.assert_array_equal(train.images, heads_clips.render_clips(truth, truth, 16))
    assert set(train.factors) == set(truth) - {"id"}
    for name, column in train.factors.items():
        np.testing.assert_array_equal(column, truth[name], err_msg=name)
    drawn = heads_clips.render_clips(train.factors, train.factors, 16)
    np.testing.assert_array_equal(drawn, train.images)
    assert train.names[:3] == ("person0-anger-0", "person0-anger-1", "person0-disgust-0")

    load["channels"] = 1
    gray = load_data("heads_clips:test", 16, where="expression=5", limit=1, **load)
    assert gray.names == ("person2-surprise-0",) and gray.ids.tolist() == [34]
    truth = heads_clips.factors_of("test", SMALL)
    luma = heads_clips.render_clips(truth, truth, 16)[10:11] @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(gray.images[..., 0], luma, atol=1)


def test_what_drawn_clips_cannot_be(tmp_path, load_data):
    folder = str(tmp_path)
    for wrong, message in (
        ({}, "heads_clips holds clips: give `frames`"),
        ({"frames": 2}, "at least 3 frames"),
        ({"frames": 6, "stride": 2}, "leave out `stride` and `fps`"),
        ({"frames": 6, "fps": 5.0}, "leave out `stride` and `fps`"),
    ):
        with pytest.raises(InputError, match=message):
            load_data("heads_clips", 16, 3, data_dir=folder, **wrong)
    with pytest.raises(InputError, match="heads_clips:views: no split 'views'; it has train, test"):
        load_data("heads_clips:views", 16, 3, data_dir=folder, frames=6)
    with pytest.raises(InputError, match="`frames=6`: heads:test holds images; clips come from"):
        load_data("heads:test", 16, 3, data_dir=folder, frames=6)
    assert list(tmp_path.iterdir()) == []
