"""Packed data: the same examples as in memory, read from TFRecord files; damage is told."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf import pack as app
from dgn_tf import train
from dgn_tf.data.batches import batches
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources.packed import load_packed, pack
from dgn_tf.utils.checksums import verified, with_checksum
from dgn_tf.utils.errors import InputError

COUNT = 11
RNG = np.random.default_rng(0)


def made(count=COUNT, shape=(8, 8, 3), first=0):
    rng = np.random.default_rng(first)
    return Examples(
        images=rng.integers(0, 256, (count, *shape), dtype=np.uint8),
        ids=2**40 + np.arange(first, first + count),
        names=tuple(f"a/{k}\udcff\n.png" for k in range(count)),
        factors={
            "yaw": rng.normal(size=count).astype(np.float32),
            "outer/label": np.arange(count) % 3,
            "word": np.array(["one", "three"])[np.arange(count) % 2],
        },
    )


def write(examples, folder, files=2):
    folder.mkdir(parents=True)
    pack(examples, folder, files)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(made(), tmp_path_factory.mktemp("packed") / "data")


def same(one, other):
    np.testing.assert_array_equal(one.images[:], other.images[:])
    np.testing.assert_array_equal(one.ids, other.ids)
    assert one.names == other.names
    assert one.factors.keys() == other.factors.keys()
    for name, values in one.factors.items():
        np.testing.assert_array_equal(values, other.factors[name])


def test_packed_examples_are_the_examples(folder):
    examples, packed = made(), load_packed(str(folder), 8, 3)
    same(packed, examples)
    assert packed.fingerprint() == examples.fingerprint()
    assert (len(packed), packed.side, packed.channels, packed.frames) == (COUNT, 8, 3, None)
    np.testing.assert_array_equal(packed.mean_image(), examples.mean_image())
    images = examples.images
    np.testing.assert_allclose(examples.mean_image(), images.mean(0) / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    "index",
    [3, np.int64(-1), slice(2, 9, 3), [5, 0, 5], np.arange(COUNT) % 2 == 0, np.empty(0, int)],
    ids=str,
)
def test_any_index_reads_what_an_array_has(folder, index):
    images = load_packed(str(folder), 8, 3).images
    np.testing.assert_array_equal(images[index], made().images[index])
    assert images[index].dtype == np.uint8


def test_a_subset_stays_in_the_files(folder):
    chosen = [7, 2, 9]
    packed = load_packed(str(folder), 8, 3).subset(chosen)
    same(packed, made().subset(chosen))
    assert not isinstance(packed.images, np.ndarray)
    assert packed.fingerprint() == made().subset(chosen).fingerprint()
    same(packed.subset([1]), made().subset([2]))


def test_other_programs_can_read_the_records(folder):
    paths = sorted(map(str, folder.glob("*.tfrecord")))
    assert len(paths) == 2
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "id": tf.io.FixedLenFeature([], tf.int64),
        "name": tf.io.FixedLenFeature([], tf.string),
    }
    examples = made()
    rows = [tf.io.parse_single_example(r, features) for r in tf.data.TFRecordDataset(paths)]
    assert len(rows) == COUNT
    for row, image, number in zip(rows, examples.images, examples.ids, strict=True):
        decoded = tf.reshape(tf.io.decode_raw(row["image"], tf.uint8), [8, 8, 3])
        np.testing.assert_array_equal(decoded, image)
        assert row["id"] == number


def test_folders_are_taken_one_after_another(tmp_path):
    one, two = made(4), made(3, first=4)
    write(one, tmp_path / "part-0", files=1)
    write(two, tmp_path / "part-1", files=3)
    packed = load_packed(f"{tmp_path}/part-*", 8, 3)
    np.testing.assert_array_equal(packed.images[:], np.concatenate([one.images, two.images]))
    np.testing.assert_array_equal(packed.ids, [*one.ids, *two.ids])
    assert packed.names == one.names + two.names
    np.testing.assert_array_equal(packed.factors["word"][4:], two.factors["word"])
    assert packed.fingerprint() not in (one.fingerprint(), two.fingerprint())
    write(one, tmp_path / "part-2")
    with pytest.raises(InputError, match="ids must be unique"):
        load_packed(f"{tmp_path}/part-*", 8, 3)


def test_batches_are_those_of_the_data_in_memory(folder):
    packed = load_packed(str(folder), 8, 3)
    ours, theirs = (list(batches(data, 4, 7, 2, 9)) for data in (packed, made()))
    assert len(ours) == len(theirs) == 7
    for one, other in zip(ours, theirs, strict=True):
        for mine, wanted in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, wanted)


def test_clips_are_packed_too(tmp_path):
    clips = made(3, (2, 8, 8, 1))
    write(clips, tmp_path / "clips")
    packed = load_packed(str(tmp_path / "clips"), 8, 1, frames=2)
    same(packed, clips)
    assert packed.frames == 2
    np.testing.assert_array_equal(packed.mean_image(), clips.mean_image())


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def escape(folder):
    """Name a file outside of the folder, with the checksum that the index then has."""
    described = verified((folder / "index.json").read_text())
    described["files"] = {f"../{name}": size for name, size in described["files"].items()}
    (folder / "index.json").write_text(json.dumps(with_checksum(described)))


def replace_text(path, old, new):
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: shutil.rmtree(f), "there is no such folder"),
        (lambda f: (f / "index.json").unlink(), r"index.json cannot be read \(No such file"),
        (lambda f: replace_text(f / "index.json", '"count": 11', '"count": 12'), "its checksum"),
        (lambda f: flip(f / "index.npz", 300), "index.npz is missing or damaged"),
        (lambda f: (f / "index.npz").unlink(), "index.npz is missing or damaged"),
        (lambda f: (f / "data-00001-of-00002.tfrecord").unlink(), "is missing or not"),
        (lambda f: (f / "data-00000-of-00002.tfrecord").write_bytes(b""), "is missing or not"),
        (escape, r"names '\.\./data-00000-of-00002.tfrecord', which is no file of that folder"),
    ],
)
def test_what_is_missing_or_damaged_is_told_at_once(folder, tmp_path, harm, message):
    shutil.copytree(folder, tmp_path / "harmed")
    harm(tmp_path / "harmed")
    with pytest.raises(InputError, match=message):
        load_packed(str(tmp_path / "harmed"), 8, 3)


def test_a_pattern_of_the_files_in_a_packed_folder_is_told(folder):
    with pytest.raises(InputError, match=r"00000-of-00002.tfrecord is no folder: name the folders"):
        load_packed(f"{folder}/*.tfrecord", 8, 3)


def test_a_damaged_image_is_told_when_it_is_read(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "harmed")
    path = tmp_path / "harmed" / "data-00001-of-00002.tfrecord"
    flip(path, path.read_bytes().index(made().images[7].tobytes()) + 50)
    images = load_packed(str(tmp_path / "harmed"), 8, 3).images
    np.testing.assert_array_equal(images[:5], made().images[:5])
    with pytest.raises(InputError, match=r"data-00001-of-00002.tfrecord was changed or damaged"):
        images[:]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((16, 3, 0), r"holds images of another shape, \[8, 8, 3\]: give `side=8` `channels=3`,"),
        ((8, 1, 0), "give `side=8` `channels=3`,"),
        ((8, 3, 2), "holds images of another shape"),
    ],
)
def test_another_shape_is_told(folder, shape, message):
    with pytest.raises(InputError, match=message):
        load_packed(str(folder), *shape)


def test_no_more_files_than_examples(tmp_path):
    with pytest.raises(InputError, match="`shards=12`: must be from 1 to the number of examples"):
        pack(made(), tmp_path, 12)


def arrays_file(root):
    images = RNG.integers(0, 256, (10, 32, 32), dtype=np.uint8)
    np.savez(root / "data.npz", images=images, view=np.arange(10) % 2)
    return f"npz:{root}/data.npz"


def test_the_program_packs_what_the_training_would_load(run_app, tmp_path, load_data):
    data, output = arrays_file(tmp_path), tmp_path / "packed"
    flags = (f"--data={data}", "--side=32", "--channels=1")
    said = run_app(app, *flags, f"--output={output}", "--shards=3")
    assert said.status == 0, said.err
    assert f"{output} holds 10 examples. Use them with --data=shards:{output}" in said.out
    same(load_data(f"shards:{output}", 32, 1), load_data(data, 32, 1))
    few, where = {"limit": 4}, {"where": "view=1", "limit": 3}
    for choice in (few, where):
        same(load_data(f"shards:{output}", 32, 1, **choice), load_data(data, 32, 1, **choice))
    assert json.loads((output / "index.json").read_text())["count"] == 10
    assert not list(tmp_path.glob(".packed*"))


def test_a_training_on_packed_data_has_the_same_bits_and_tells_damage(
    run_app, tiny_run, tmp_path, tensors
):
    output = tmp_path / "packed"
    data = f"--data=npz:{tiny_run.root}/data.npz"
    assert run_app(app, data, "--side=32", "--channels=1", f"--output={output}").status == 0
    command = [*tiny_run.command, f"--data=shards:{output}"]
    said = run_app(train, *command, f"--run_dir={tmp_path}/run")
    assert said.status == 0, said.err
    ours, theirs = tensors(tmp_path / "run"), tensors(tiny_run.folder)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        np.testing.assert_array_equal(tensor, theirs[name])
    path = output / "data-00000-of-00001.tfrecord"
    flip(path, path.stat().st_size // 2 + 500)
    said = run_app(train, *command, f"--run_dir={tmp_path}/damaged")
    assert said.status == 2
    assert said.err.splitlines()[-1].startswith(f"error: {path} was changed or damaged after")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--output=",), "--output is needed"),
        (("--output={root}",), "exists: name a new folder"),
        (("--output={root}/new", "--shards=99"), "--shards=99: must be from 1 to the number"),
        (("--output={root}/new", "--data=shards:{root}/none"), "there is no such folder"),
        (("--output={root}/new", "--side=33"), "--side=33"),
    ],
)
def test_wrong_flags_are_told(run_app, tmp_path, arguments, message):
    data = arrays_file(tmp_path)
    given = [argument.format(root=tmp_path) for argument in arguments]
    said = run_app(app, f"--data={data}", "--side=32", "--channels=1", *given)
    assert said.status == 2
    assert message in said.err and len(said.err.strip().splitlines()) == 1
    assert not (tmp_path / "new").exists()
