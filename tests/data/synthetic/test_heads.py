"""The synthetic heads: the renderer against its own landmarks and symmetries, and the builder."""

import numpy as np
import pytest

from dgn_tf.data.synthetic import heads
from dgn_tf.utils.errors import InputError

SMALL = heads.HeadsConfig(side=16, train=20, test=8, identities=2)


def neutral(n: int = 1) -> tuple[dict, dict]:
    """Appearance with the light on the axis, and the frontal geometry without expression."""
    appearance = heads.sample_appearance(n, seed=1)
    appearance["light"][:] = 0
    appearance["moustache"][:] = 0
    geometry = {name: np.zeros(n, np.float32) for name in heads.GEOMETRY}
    geometry["width"][:] = 1
    return appearance, geometry


def difference(first: np.ndarray, second: np.ndarray) -> int:
    return np.abs(first.astype(int) - second.astype(int)).max()


def centroid(weights: np.ndarray) -> np.ndarray:
    """(x, y) of the middle of an image of weights."""
    y, x = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([(weights * x).sum(), (weights * y).sum()]) / weights.sum()


@pytest.mark.parametrize("yaw", [-25, 0, 25])
def test_eye_landmarks_are_where_the_irises_are(yaw):
    appearance, geometry = neutral()
    geometry["yaw"][:], geometry["pitch"][:] = yaw, 6
    images = []
    for level in (0.2, 0.8):
        appearance["iris"][:] = level
        images.append(heads.render(appearance, geometry, 64)[0].astype(float).sum(-1))
    change = images[1] - images[0]
    points = heads.landmarks(geometry, 64)[0]
    middle = points[:2, 0].mean()
    columns = np.arange(64)
    for point, half in zip(points[:2], (columns < middle, columns > middle), strict=True):
        np.testing.assert_allclose(centroid(change * half), point, atol=1.0)


@pytest.mark.parametrize("yaw", [-25, 0, 25])
@pytest.mark.parametrize("smile", [-1, 1])
def test_mouth_landmarks_are_where_the_lips_end(yaw, smile):
    appearance, geometry = neutral()
    geometry["yaw"][:], geometry["smile"][:] = yaw, smile
    images = []
    for level in (0.0, 1.0):
        appearance["lip"][:] = level
        images.append(heads.render(appearance, geometry, 128)[0].astype(float).sum(-1))
    y, x = np.nonzero(images[1] - images[0] > 60)
    points = heads.landmarks(geometry, 128)[0, 3:]
    for point, end in zip(points, (x.min(), x.max()), strict=True):
        np.testing.assert_allclose((end, y[x == end].mean()), point, atol=2.0)


def test_nose_landmark_moves_further_than_the_eyes_when_the_head_turns():
    _, geometry = neutral(2)
    geometry["yaw"][:] = 0, 30
    move = np.diff(heads.landmarks(geometry, 64)[..., 0], axis=0)[0]
    # Depth 1.02 in front of the axis, half a turn's sine of 30 degrees, 32 pixels a unit.
    np.testing.assert_allclose(move[2], 1.02 * 0.5 * 32, rtol=1e-5)
    assert move[2] > move[:2].max()


def test_frontal_face_is_its_own_mirror_image():
    images = heads.render(*neutral(4), 64)
    assert difference(images, images[:, :, ::-1]) <= 1


def test_mirrored_yaw_is_the_opposite_yaw():
    appearance, geometry = neutral(3)
    geometry["yaw"][:], geometry["pitch"][:] = (10, 20, 30), 7
    opposite = geometry | {"yaw": -geometry["yaw"]}
    right, left = (heads.render(appearance, turned, 64) for turned in (geometry, opposite))
    assert difference(right[:, :, ::-1], left) <= 1
    assert difference(right, left) > 50
    mirrored = heads.landmarks(opposite, 64)[:, [1, 0, 2, 4, 3]]
    mirrored[..., 0] = 63 - mirrored[..., 0]
    np.testing.assert_allclose(heads.landmarks(geometry, 64), mirrored, atol=1e-4)


def test_every_factor_changes_the_image():
    appearance, geometry = neutral()
    appearance["moustache"][:] = 0.2
    reference = heads.render(appearance, geometry, 32)
    shifts = {"yaw": 10, "pitch": 6, "width": 0.1, "light": 0.5}
    for name in (*heads.APPEARANCE, *heads.GEOMETRY):
        shift = np.float32(shifts.get(name, 0.4))
        changed = [
            columns | {name: columns[name] + shift} if name in columns else columns
            for columns in (appearance, geometry)
        ]
        assert difference(heads.render(*changed, 32), reference) > 10, name


def test_an_image_does_not_depend_on_its_batch():
    appearance, geometry = heads.sample_appearance(9, 4), heads.sample_geometry(9, 4)
    together = heads.render(appearance, geometry, 33)
    order = np.array([5, 0, 8])
    some = [{k: v[order] for k, v in columns.items()} for columns in (appearance, geometry)]
    np.testing.assert_array_equal(heads.render(*some, 33), together[order])


def test_images_are_antialiased():
    appearance, geometry = heads.sample_appearance(8, 2), heads.sample_geometry(8, 2)
    large = heads.render(appearance, geometry, 128).astype(float)
    small = heads.render(appearance, geometry, 64).astype(float)
    boxed = large.reshape(8, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    assert np.sqrt(np.mean((boxed - small) ** 2)) < 2
    # One sample a pixel, for scale: what a renderer without supersampling would be off by.
    assert np.sqrt(np.mean((large[:, ::2, ::2] - boxed) ** 2)) > 4


def test_factors_are_in_range_and_do_not_depend_on_the_number_drawn():
    appearance, geometry = heads.sample_appearance(500, 7), heads.sample_geometry(500, 7)
    for name, (low, high) in heads.GEOMETRY_RANGES.items():
        assert low <= geometry[name].min() < low + 0.05 * (high - low), name
        assert high - 0.05 * (high - low) < geometry[name].max() <= high, name
    for name, column in appearance.items():
        low, high = heads.LIGHT_RANGE if name == "light" else (0, 1)
        assert low <= column.min() < column.max() <= high, name
    for sample, drawn in ((heads.sample_appearance, appearance), (heads.sample_geometry, geometry)):
        for name, column in sample(3, 7).items():
            np.testing.assert_array_equal(column, drawn[name][:3])
            assert not np.array_equal(column, sample(3, 8)[name])


def test_factors_are_independent():
    columns = heads.sample_appearance(4000, 0) | heads.sample_geometry(4000, 0)
    firsts = np.stack([column.reshape(4000, -1)[:, 0] for column in columns.values()])
    correlation = np.corrcoef(firsts) - np.eye(len(firsts))
    assert np.abs(correlation).max() < 0.08


def test_bad_columns_are_named():
    appearance, geometry = neutral(2)
    with pytest.raises(InputError, match="lacks.*smile"):
        heads.landmarks({k: v for k, v in geometry.items() if k != "smile"}, 64)
    with pytest.raises(InputError, match="'iris'.*\\(2, 3\\)"):
        heads.render(appearance | {"iris": np.zeros(2)}, geometry, 64)
    with pytest.raises(InputError, match="'skin'.*\\(1, 3\\)"):
        heads.render(appearance | {"skin": 0.5}, geometry, 64)
    with pytest.raises(InputError, match="same number of rows"):
        heads.render(appearance, neutral(3)[1], 64)
    with pytest.raises(InputError, match="side"):
        heads.HeadsConfig(side=0)
    with pytest.raises(InputError, match="no split 'validation'"):
        heads.factors_of("validation", SMALL)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    builder = heads.Heads(config=SMALL, data_dir=tmp_path_factory.mktemp("tfds"))
    builder.download_and_prepare()
    return builder


def examples(builder, split: str) -> list[dict]:
    return list(builder.as_dataset(split=split).as_numpy_iterator())


def test_splits_have_their_sizes_and_ids_are_unique(prepared):
    sizes = {name: split.num_examples for name, split in prepared.info.splits.items()}
    assert sizes == {"train": 20, "test": 8, "views": 10}
    ids = [example["id"] for split in sizes for example in examples(prepared, split)]
    assert ids == list(range(38))


def test_views_show_the_same_heads_at_the_known_angles(prepared):
    views = examples(prepared, "views")
    assert [example["view"] for example in views] == 2 * list(heads.VIEWS)
    assert [example["identity"] for example in views] == 5 * [0] + 5 * [1]
    for name in {*heads.APPEARANCE, *heads.GEOMETRY} - {"yaw"}:
        columns = np.stack([example[name] for example in views])
        assert (columns[:5] == columns[0]).all() and (columns[5:] == columns[5]).all(), name
        assert not np.array_equal(columns[0], columns[5]), name
    assert difference(views[0]["image"], views[4]["image"]) > 50


def test_stored_images_and_landmarks_are_those_of_the_stored_factors(prepared):
    stored = examples(prepared, "test")
    columns = {name: np.stack([example[name] for example in stored]) for name in stored[0]}
    np.testing.assert_array_equal(heads.render(columns, columns, 16), columns["image"])
    np.testing.assert_array_equal(heads.landmarks(columns, 16), columns["landmarks"])
    np.testing.assert_array_equal(columns["view"], columns["yaw"])
    np.testing.assert_array_equal(columns["identity"], columns["id"])


def test_any_side_can_be_named(tmp_path):
    for config in ("side48", heads.HeadsConfig(side=48)):
        builder = heads.Heads(config=config, data_dir=tmp_path)
        assert builder.info.features["image"].shape == (48, 48, 3)
        assert builder.builder_config.name == "side48"
    assert heads.Heads(config=heads.HeadsConfig(), data_dir=tmp_path).builder_config.side == 64
    assert SMALL.name == "side16_20_8_2"
