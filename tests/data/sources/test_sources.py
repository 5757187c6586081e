"""Data sets by name: what each kind of spec loads, and the one line that each mistake gives."""

import hashlib
import os
import re
import shutil
import socket
import threading

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from dgn_tf.config import DataConfig
from dgn_tf.data.squares import square
from dgn_tf.data.synthetic import heads
from dgn_tf.utils import network
from dgn_tf.utils.errors import InputError


class TinyPictures(tfds.core.GeneratorBasedBuilder):
    """Six gray-to-color images of several sizes with labels, made on the spot."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=["cat", "dog"]),
                    "pose": {
                        "yaw": np.float32,
                        "points": tfds.features.Tensor(shape=(2, 2), dtype=np.int64),
                    },
                    "caption": tfds.features.Text(),
                    "tags": tfds.features.Sequence(np.int64),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(6), "test": self._generate_examples(2)}

    def _generate_examples(self, count):
        for row in range(count):
            yield (
                row,
                {
                    "image": image(row),
                    "label": row % 2,
                    "pose": {"yaw": row / 4, "points": [[row, 0], [0, row]]},
                    "caption": "none",
                    "tags": [1] * row,
                },
            )


class TinyNumbers(tfds.core.GeneratorBasedBuilder):
    """A data set without images."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict({"a": np.int64, "b": np.int64}),
        )

    def _split_generators(self, dl_manager):
        raise AssertionError("must be refused before any work")

    def _generate_examples(self):
        raise AssertionError("must be refused before any work")


def image(row):
    """Image `row`: random pixels, 8 high and 8 + 2 row wide."""
    return np.random.default_rng(row).integers(0, 256, (8, 8 + 2 * row, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, load_data):
    """A TFDS folder with `tiny_pictures` prepared in it."""
    folder = str(tmp_path_factory.mktemp("tfds"))
    load_data("tfds:tiny_pictures", 8, 3, data_dir=folder)
    return folder


def test_tfds_images_ids_and_factors(prepared, load_data):
    examples = load_data("tfds:tiny_pictures", 8, 3, data_dir=prepared)
    assert len(examples) == 6
    assert sorted(examples.factors) == ["label", "pose/points", "pose/yaw"]
    rows = (examples.factors["pose/yaw"] * 4).astype(int)
    assert sorted(rows) == list(range(6))
    for i, row in enumerate(rows):
        expected = square(Image.fromarray(image(row)), 8, 3)
        np.testing.assert_array_equal(examples.images[i], expected)
        # Same height, wider: the center is kept without resampling.
        np.testing.assert_array_equal(examples.images[i], image(row)[:, row : row + 8])
        assert examples.factors["label"][i] == row % 2
        np.testing.assert_array_equal(examples.factors["pose/points"][i], [[row, 0], [0, row]])
        digest = hashlib.sha256(examples.names[i].encode()).hexdigest()
        assert int(examples.ids[i]) == int(digest, 16) >> 193


def test_tfds_order_limit_split_and_luma(prepared, load_data):
    whole = load_data("tfds:tiny_pictures:train", 8, 3, data_dir=prepared)
    seen = []
    first = load_data(
        "tfds:tiny_pictures",
        8,
        3,
        limit=4,
        data_dir=prepared,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert first.fingerprint() == whole.subset(range(4)).fingerprint()
    assert seen[-1] == (4, 4)
    part = load_data("tfds:tiny_pictures:train[:50%]", 8, 3, data_dir=prepared)
    assert part.names == whole.names[:3]
    test = load_data("tfds:tiny_pictures:test", 8, 1, data_dir=prepared)
    assert len(test) == 2 and not set(test.ids) & set(whole.ids)
    row = int(test.factors["pose/yaw"][0] * 4)
    luma = image(row)[:, row : row + 8] @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(test.images[0, ..., 0], luma, atol=1)


def test_tfds_errors(prepared, tmp_path, load_data):
    with pytest.raises(InputError, match=r"tfds:tiny_picture: .*close names: tiny_pictures"):
        load_data("tfds:tiny_picture", 8, 3, data_dir=prepared)
    with pytest.raises(InputError, match="no split 'validation'; it has .*train"):
        load_data("tfds:tiny_pictures:validation", 8, 3, data_dir=prepared)
    with pytest.raises(InputError, match="needs an image feature `image`; it has a, b"):
        load_data("tfds:tiny_numbers", 8, 3, data_dir=str(tmp_path))
    with pytest.raises(InputError, match="no configuration 'large'; use tfds:tiny_pictures$"):
        load_data("tfds:tiny_pictures/large", 8, 3, data_dir=prepared)
    with pytest.raises(InputError, match="no configuration 'x'; it has v4, v6$"):
        load_data("tfds:cifar10_1/x", 8, 3, data_dir=prepared)
    with pytest.raises(InputError, match="TFDS knows no such data set$"):
        load_data("tfds:qqqqqqqq", 8, 3, data_dir=prepared)


def test_damaged_prepared_data_is_named(prepared, tmp_path, load_data):
    shutil.copytree(os.path.join(prepared, "tiny_pictures"), tmp_path / "tiny_pictures")
    (record,) = tmp_path.rglob("*train.tfrecord*")
    content = bytearray(record.read_bytes())
    content[len(content) // 2] ^= 0xFF
    record.write_bytes(content)
    with pytest.raises(InputError, match=f"data in {tmp_path}.*cannot be read.*delete that folder"):
        load_data("tfds:tiny_pictures", 8, 3, data_dir=str(tmp_path))
    record.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        load_data("tfds:tiny_pictures", 8, 3, data_dir=str(tmp_path))
    (info,) = tmp_path.rglob("dataset_info.json")
    info.write_text("{half")
    with pytest.raises(InputError, match=f"JSON.*prepared data in {tmp_path} is damaged, delete"):
        load_data("tfds:tiny_pictures", 8, 3, data_dir=str(tmp_path))
    os.renames(info.parent, tmp_path / "heads" / "side9" / "1.1.0")
    with pytest.raises(InputError, match=f"heads: .*prepared data in {tmp_path} is damaged"):
        load_data("heads", 9, 3, data_dir=str(tmp_path))


def test_closed_prepared_data_are_not_told_as_damaged(tmp_path, monkeypatch, load_data):
    load_data("tfds:tiny_pictures", 8, 3, data_dir=str(tmp_path))

    def told():
        with pytest.raises(InputError) as error:
            load_data("tfds:tiny_pictures", 8, 3, data_dir=str(tmp_path))
        assert "delete" not in str(error.value)
        return str(error.value)

    def refuse(*args, **kwargs):
        raise tf.errors.PermissionDeniedError(None, None, "x.tfrecord; Permission denied")

    with monkeypatch.context() as closed:
        closed.setattr(tfds.core.DatasetBuilder, "as_dataset", refuse)
        assert "may not be read: allow it" in told()
    (info,) = tmp_path.rglob("dataset_info.json")

    def unread(*args, **kwargs):
        try:
            raise PermissionError(13, "Permission denied", str(info))
        except PermissionError as error:
            raise tfds.core.dataset_info.DatasetInfoFileError("Could not read") from error

    with monkeypatch.context() as closed:
        closed.setattr(tfds, "builder", unread)
        assert f"{info}: permission denied: allow it" in told()
    info.unlink()
    with monkeypatch.context() as closed:
        closed.setattr("os.access", lambda path, mode: os.fspath(path) != os.fspath(info.parent))
        assert f"{info.parent}: permission denied: allow it" in told()


def test_two_processes_may_prepare_a_set_at_once(tmp_path, monkeypatch, load_data):
    """The second to finish cannot put its folder where that of the first lies, and reads that."""
    prepare, found = tfds.core.DatasetBuilder.download_and_prepare, []

    def prepare_beside_another(builder):
        monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", prepare)
        found.append(load_data("tfds:tiny_pictures", 8, 3, data_dir=str(tmp_path)))
        raise FileExistsError("Cannot rename incomplete.ABC: destination already exists.")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", prepare_beside_another)
    found.append(load_data("tfds:tiny_pictures", 8, 3, data_dir=str(tmp_path)))
    np.testing.assert_array_equal(found[0].images, found[1].images)
    assert found[0].names == found[1].names


def test_a_set_to_download_fails_at_once_when_offline(tmp_path, monkeypatch, load_data):
    def refuse(address, timeout):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(InputError, match="no connection to storage.googleapis.com"):
        load_data("tfds:mnist", 8, 1, data_dir=str(tmp_path))
    assert not list(tmp_path.rglob("*.gz*"))


def test_a_name_lookup_that_hangs_is_given_up(tmp_path, monkeypatch, load_data):
    released = threading.Event()

    def hang(address, timeout):
        released.wait(60)
        raise OSError("no such host")

    monkeypatch.setattr(socket, "create_connection", hang)
    monkeypatch.setattr(network, "PROBE_SECONDS", 0.1)
    try:
        with pytest.raises(InputError, match="no connection"):
            load_data("tfds:mnist", 8, 1, data_dir=str(tmp_path))
    finally:
        released.set()


def test_with_a_network_or_a_proxy_the_download_starts(tmp_path, monkeypatch, load_data):
    asked = []

    class Connection:
        def close(self):
            asked.append("closed")

    def connect(address, timeout):
        asked.append(address)
        return Connection()

    def download(self):
        raise RuntimeError("the download began")

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", download)
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="cannot be prepared.*RuntimeError: the download began"):
        load_data("tfds:mnist", 8, 1, data_dir=str(tmp_path))
    assert asked == [("storage.googleapis.com", 443), "closed"]
    asked.clear()
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    with pytest.raises(InputError, match="the download began"):
        load_data("tfds:mnist", 8, 1, data_dir=str(tmp_path))
    assert asked == [("proxy.example", 3128), "closed"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("celeba", "celeba does not exist: give a folder of images"),
        ("", "`data` is needed: give a folder of images"),
        ("folder:", "folder: names no data: write folder:PATH, as in folder:photos/cats"),
        ("tfds:", "write tfds:NAME[:SPLIT], as in tfds:mnist:train"),
        ("npz", "write npz:PATH[:KEY], as in npz:faces.npz:images"),
        ("http://x/y.zip", "http://x/y.zip does not exist: give a folder of images"),
    ],
)
def test_what_names_no_data_is_told(load_data, spec, message):
    with pytest.raises(InputError, match=re.escape(message)):
        load_data(spec, 8, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"side": 0}, "`side=0`: must be one of 32, "),
        ({"channels": 2}, "`channels=2`: must be one of 1, 3"),
        ({"limit": -1}, "`limit=-1`: must be 0 or more"),
    ],
)
def test_impossible_sizes(settings, message):
    with pytest.raises(InputError, match=message):
        DataConfig(**settings)


def test_folder(tmp_path, load_data):
    folder = tmp_path / "a:b"
    folder.mkdir()
    for row in range(3):
        Image.fromarray(image(row)).save(folder / f"{row}.png")
    examples = load_data(f"folder:{folder}", 8, 3, limit=2)
    assert examples.names == ("0.png", "1.png") and examples.factors == {}
    np.testing.assert_array_equal(examples.images[1], image(1)[:, 1:9])


def save(path, **arrays):
    np.savez(path, **arrays)
    return f"npz:{path}"


def test_npz_arrays_of_another_length_are_named(tmp_path, load_data, caplog):
    images = np.zeros([3, 4, 4], np.uint8)
    load_data(save(tmp_path / "x.npz", images=images, yaw=np.zeros(3), rate=np.float32(2)), 4, 1)
    assert not caplog.text
    load_data(save(tmp_path / "y.npz", images=images, label=np.zeros([2, 1])), 4, 1)
    assert "without a row for each of the 3 images are left out: label [2, 1]" in caplog.text


def test_npz_of_bytes_with_factors(tmp_path, load_data):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 10, 3), dtype=np.uint8)
    spec = save(tmp_path / "x.npz", faces=images, yaw=np.arange(5.0), other=np.zeros(4))
    examples = load_data(spec, 8, 3, limit=3)
    np.testing.assert_array_equal(examples.images, images[:3, :, 1:9])
    assert examples.ids.tolist() == [0, 1, 2] and examples.names == ("0", "1", "2")
    assert list(examples.factors) == ["yaw"]
    assert examples.factors["yaw"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_npz_of_floats(tmp_path, kind, load_data):
    values = np.arange(256).reshape(1, 16, 16, 1)
    examples = load_data(save(tmp_path / "x.npz", a=(values / 255).astype(kind)), 16, 1)
    np.testing.assert_array_equal(examples.images, values)
    gray = load_data(save(tmp_path / "y.npz", a=(values[..., 0] / 255).astype(kind)), 16, 3)
    np.testing.assert_array_equal(gray.images, np.repeat(values, 3, axis=3))


def test_npz_of_floats_that_rounding_has_left_outside(tmp_path, load_data):
    values = np.array([-1e-4, 0.5, 1 + 1e-6, 1]).reshape(1, 2, 2, 1)
    examples = load_data(save(tmp_path / "x.npz", a=values), 2, 1)
    np.testing.assert_array_equal(examples.images.ravel(), [0, 128, 255, 255])


def test_npz_of_one_image_is_no_stack_of_narrow_ones(tmp_path, load_data):
    with pytest.raises(InputError, match=r"is \[8, 9, 3\], which is one image"):
        load_data(save(tmp_path / "x.npz", images=np.zeros((8, 9, 3), np.uint8)), 8, 3)


def test_npz_key(tmp_path, load_data):
    first, second = np.zeros((2, 4, 4), np.uint8), np.ones((2, 4, 4), np.uint8)
    spec = save(tmp_path / "x.npz", first=first, second=second)
    assert load_data(f"{spec}:second", 4, 1).images.max() == 1
    with pytest.raises(InputError, match=r"first \[2, 4, 4\], second \[2, 4, 4\]"):
        load_data(spec, 4, 1)
    with pytest.raises(InputError, match="no array 'third'; it has first"):
        load_data(f"{spec}:third", 4, 1)
    default = save(tmp_path / "y.npz", images=second, first=first)
    assert load_data(default, 4, 1).images.max() == 1


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 4, 4), -0.5), r"in \[0, 1\]; found \[-0.5, -0.5\]"),
        (np.linspace(0, 255, 32).reshape(2, 4, 4), r"found \[0, 255\]"),
        (np.full((2, 4, 4), np.nan), "found .nan, nan"),
        (np.zeros((2, 4, 4), np.int64), "is int64"),
        (np.zeros((2, 4, 4, 4), np.uint8), r"is \[2, 4, 4, 4\], not"),
        (np.zeros((0, 4, 4), np.uint8), "is empty"),
    ],
)
def test_npz_of_unusable_arrays(tmp_path, array, message, load_data):
    with pytest.raises(InputError, match=message) as error:
        load_data(save(tmp_path / "x.npz", a=array), 4, 1)
    assert "x.npz:a" in str(error.value)


@pytest.mark.parametrize("kind", ["U3", complex])
def test_npz_landmarks_that_are_no_numbers_are_refused(tmp_path, kind, load_data):
    spec = save(
        tmp_path / "x.npz", images=np.zeros((2, 4, 4), "u1"), landmarks=np.zeros((2, 5, 2), kind)
    )
    with pytest.raises(InputError, match="`landmarks` beside it are .*, not numbers"):
        load_data(spec, 4, 1)


@pytest.mark.parametrize(
    ("name", "values"), [("frame", [0, 1, np.inf]), ("frame", [0, 1, 1e300]), ("clip", [1e30] * 3)]
)
def test_npz_clips_are_numbered_by_what_int64_holds(tmp_path, name, values, load_data):
    numbers = {"clip": [0, 0, 0], "frame": [0, 1, 2]} | {name: values}
    spec = save(tmp_path / "x.npz", images=np.zeros((3, 4, 4), "u1"), **numbers)
    with pytest.raises(InputError, match=f"need an integer array `{name}`"):
        load_data(spec, 4, 1, frames=2)


def test_npz_files_that_cannot_be_read(tmp_path, load_data):
    with pytest.raises(InputError, match="nowhere.npz: there is no such file"):
        load_data(f"npz:{tmp_path}/nowhere.npz", 4, 1)
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(InputError, match="x.npy: is not an .npz file"):
        load_data(f"npz:{tmp_path}/x.npy", 4, 1)
    objects = save(tmp_path / "o.npz", a=np.array([{}, {}], dtype=object))
    with pytest.raises(InputError, match="o.npz: cannot be read: .*allow_pickle"):
        load_data(objects, 4, 1)
    spec = save(tmp_path / "c.npz", a=np.zeros((2, 32, 32), np.uint8))
    content = bytearray((tmp_path / "c.npz").read_bytes())
    content[1000] ^= 0xFF
    (tmp_path / "c.npz").write_bytes(content)
    with pytest.raises(InputError, match="c.npz: cannot be read: .*CRC"):
        load_data(spec, 32, 1)


@pytest.fixture(scope="module")
def few_heads(tmp_path_factory):
    """A TFDS folder for a few heads, and the configuration that keeps them few."""
    return str(tmp_path_factory.mktemp("heads")), heads.HeadsConfig(
        side=16, train=8, test=3, identities=2
    )


def test_heads(few_heads, monkeypatch, load_data):
    folder, config = few_heads
    monkeypatch.setattr(heads, "HeadsConfig", lambda side: config if side == 16 else None)
    train = load_data("heads", 16, 3, data_dir=folder)
    assert train.ids.tolist() == list(range(8))
    truth = heads.factors_of("train", config)
    np.testing.assert_array_equal(train.images, heads.render(truth, truth, 16))
    assert set(train.factors) == set(truth) - {"id"} | {"landmarks"}
    for name in set(truth) - {"id"}:
        np.testing.assert_array_equal(train.factors[name], truth[name])
    np.testing.assert_allclose(train.factors["landmarks"], heads.landmarks(truth, 16))

    gray = load_data("heads:test", 16, 1, limit=2, data_dir=folder)
    assert gray.ids.tolist() == [8, 9]
    truth = heads.factors_of("test", config)
    luma = heads.render(truth, truth, 16)[:2] @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(gray.images[..., 0], luma, atol=1)

    views = load_data("heads:views", 16, 3, data_dir=folder)
    assert views.factors["view"].tolist() == [-30, -15, 0, 15, 30] * 2


def test_data_that_are_made_are_told_in_one_line(
    few_heads, tmp_path, monkeypatch, load_data, capfd
):
    _, config = few_heads
    monkeypatch.setattr(heads, "HeadsConfig", lambda side: config)
    for told in (f"Preparing heads in {tmp_path}/heads/", ""):
        load_data("heads", 16, 3, data_dir=str(tmp_path))
        said = capfd.readouterr()
        assert said.out == "" and said.err.startswith(told) and said.err.count("\n") == bool(told)


@pytest.mark.parametrize("split", ["valid", "train+valid", "tests[:5]"])
def test_unknown_split_of_heads_is_refused_before_they_are_drawn(split, tmp_path, load_data):
    with pytest.raises(InputError, match="no split .*; it has train, test, views"):
        load_data(f"heads:{split}", 16, 3, data_dir=str(tmp_path))
    assert os.listdir(tmp_path) == []
