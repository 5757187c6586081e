"""Every data source keeps the same contract, and a path alone is understood."""

import dataclasses
import os
import pathlib
import re
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from dgn_tf import train
from dgn_tf.config import DataConfig
from dgn_tf.data import sources
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources import SOURCES, load, source_of, with_kind
from dgn_tf.data.sources.packed import pack
from dgn_tf.data.sources.source import Source
from dgn_tf.data.synthetic import heads, heads_clips
from dgn_tf.data.synthetic.heads import HeadsConfig
from dgn_tf.data.synthetic.heads_clips import HeadsClipsConfig
from dgn_tf.utils.errors import InputError

SIDE, COUNT = 16, 4
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)


class TinySquares(tfds.core.GeneratorBasedBuilder):
    """The same images as a TFDS set."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        image = tfds.features.Image(shape=(SIDE, SIDE, 3), encoding_format="png")
        features = tfds.features.FeaturesDict({"image": image, "view": np.int64})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for row, image in enumerate(IMAGES):
            yield row, {"image": image, "view": row % 2}


def write_images(folder, count=COUNT):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(IMAGES[number]).save(folder / f"{number}.png")
    return folder


def zipped(path, folder):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
    return path


def packed_folder(folder):
    folder.mkdir(parents=True)
    names = tuple(str(number) for number in range(COUNT))
    views = {"view": np.arange(COUNT) % 2}
    pack(Examples(IMAGES, np.arange(COUNT, dtype=np.int64), names, views), folder, 1)
    return folder


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    """For each kind: what names 4 or more examples of 16 x 16, and its settings."""
    root = tmp_path_factory.mktemp("sources")
    for number in range(COUNT):
        write_images(root / "videos" / str(number))
    np.savez(root / "images.npz", images=IMAGES, view=np.arange(COUNT) % 2)
    prepared = {"data_dir": str(root / "prepared")}
    return {
        "heads": ("heads:test", prepared),
        "folder": (f"folder:{write_images(root / 'images')}", {}),
        "zip": (f"zip:{zipped(root / 'images.zip', root / 'images')}", {}),
        "tfds": ("tfds:tiny_squares", prepared),
        "npz": (f"npz:{root}/images.npz", {}),
        "shards": (f"shards:{packed_folder(root / 'packed')}", {}),
        "heads_clips": ("heads_clips:test", {"frames": 4, **prepared}),
        "steady_clips": ("steady_clips:test", {"frames": 4, **prepared}),
        "clips": (f"clips:{root}/videos", {"frames": 4}),
    }


@pytest.fixture(autouse=True)
def few_heads(monkeypatch):
    """Heads are drawn at the first use: a few are enough."""
    small = HeadsConfig(side=SIDE, train=COUNT, test=COUNT, identities=1)
    monkeypatch.setattr(heads, "HeadsConfig", lambda side: small)
    clips = HeadsClipsConfig(side=SIDE, frames=4, train=1, test=1)
    monkeypatch.setattr(heads_clips, "HeadsClipsConfig", lambda side, frames, sway: clips)


def test_every_source_of_the_folder_is_in_the_registry(specs):
    folder = pathlib.Path(sources.__file__).parent
    # What a program has given is no source that a user can name.
    files = [path for path in folder.glob("*.py") if path.stem != "memory"]
    written = "".join(path.read_text() for path in files)
    defined = re.findall(r"^[A-Z_]+ = (?:Source|dataclasses\.replace)\(", written, re.MULTILINE)
    assert len(SOURCES) == len(defined)
    assert SOURCES.keys() == specs.keys(), "a new source needs an example here"


@pytest.mark.parametrize("kind", SOURCES)
def test_what_a_source_says_of_itself(kind):
    source = SOURCES[kind]
    assert isinstance(source, Source) and source.kind == kind
    assert source.images or source.clips
    assert source.form.startswith(kind) and source.example.startswith(f"{kind}:")
    assert source.alone == source.form.startswith((f"{kind}[", kind + " "))
    assert source_of(source.example) == (source, source.example.removeprefix(f"{kind}:"))
    assert with_kind(source.example) == source.example
    assert set(source.timing) <= {"stride", "fps"}
    # What clips cannot be asked for has a reason to give.
    assert bool(source.refusal) == (source.clips and set(source.timing) != {"stride", "fps"})
    assert source.table in ("", "landmarks", "labels")
    assert not source.held_out or source_of(source.held_out)[0] is source
    assert source.form in DataConfig.__dataclass_fields__["data"].metadata["help"]


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_loads_the_same_examples_at_every_call(kind, specs, load_data):
    spec, settings = specs[kind]
    seen = []
    whole = load_data(spec, SIDE, 3, lambda done, total: seen.append((done, total)), **settings)
    assert len(whole) >= COUNT and (whole.side, whole.channels) == (SIDE, 3)
    assert whole.frames == (settings.get("frames") or None)
    assert kind == "shards" or (seen and seen[-1][0] == seen[-1][1])
    assert load_data(spec, SIDE, 3, **settings).fingerprint() == whole.fingerprint()
    few = load_data(spec, SIDE, 3, limit=2, **settings)
    assert few.fingerprint() == whole.subset([0, 1]).fingerprint()
    assert few.names == whole.names[:2]
    for name, values in few.factors.items():
        np.testing.assert_array_equal(values, whole.factors[name][:2])
    with pytest.raises(InputError, match=r"`where=zebra=1`: .* has no label 'zebra'"):
        load_data(spec, SIDE, 3, where="zebra=1", **settings)


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_takes_the_settings_of_frames_that_it_says(kind, specs, load_data):
    (spec, settings), source = specs[kind], SOURCES[kind]
    if not source.clips:
        with pytest.raises(InputError, match="`frames=4`: .* holds images; clips come from"):
            load_data(spec, SIDE, 3, **{**settings, "frames": 4})
        return
    if not source.images:
        with pytest.raises(InputError, match="holds clips: give `frames`"):
            load_data(spec, SIDE, 3, **{**settings, "frames": 0})
    for name, value in (("stride", 2), ("fps", 5.0)):
        if name not in source.timing:
            with pytest.raises(InputError, match=source.refusal):
                load_data(spec, SIDE, 3, **{**settings, "frames": 4, name: value})


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Data of every kind that a path can hold, relative to the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    write_images(tmp_path / "photos" / "cats")
    (tmp_path / "photos" / "a.mp4").write_bytes(b"")
    (tmp_path / "videos" / "deep").mkdir(parents=True)
    (tmp_path / "trailers").mkdir()
    for name in ("videos/deep/a.mp4", "trailers/a.mp4", "one.MOV", "b.gif", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    write_images(tmp_path / "trailers" / "posters", 1)
    packed_folder(tmp_path / "packed" / "part-0")
    packed_folder(tmp_path / "packed" / "part-1")
    np.savez(tmp_path / "faces.npz", images=IMAGES, more=IMAGES, view=np.arange(COUNT))
    (tmp_path / "empty").mkdir()
    zipped(tmp_path / "photos.zip", tmp_path / "photos")
    zipped(tmp_path / "archive", tmp_path / "photos")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("photos", "folder"),
        ("./photos/cats/", "folder"),
        ("~/photos", "folder"),
        ("{root}/photos", "folder"),
        ("videos", "clips"),
        ("trailers", "clips"),
        ("one.MOV", "clips"),
        ("~/b.gif", "clips"),
        ("faces.npz", "npz"),
        ("{root}/faces.npz:more", "npz"),
        ("photos.zip", "zip"),
        ("{root}/photos.zip:cats", "zip"),
        ("archive", "zip"),
        ("packed/part-0", "shards"),
        ("packed/part-*", "shards"),
    ],
)
def test_a_path_is_understood(places, path, kind):
    path = path.format(root=places)
    assert source_of(path) == (SOURCES[kind], path)
    assert with_kind(path) == f"{kind}:{path}"


def test_data_at_a_path_are_those_of_its_kind(places, load_data):
    for path in ("photos", "faces.npz", "packed/part-0"):
        examples = load_data(path, SIDE, 3)
        assert examples.fingerprint() == load_data(with_kind(path), SIDE, 3).fingerprint()
        np.testing.assert_array_equal(examples.images[:], IMAGES)
    with pytest.raises(InputError, match="clips:videos holds clips: give `frames`"):
        load(DataConfig(data="videos"))
    with pytest.raises(InputError, match="`where=view=7`: no example of npz:faces.npz:images has"):
        load_data("faces.npz:images", SIDE, 3, where="view=7")


def test_a_run_keeps_what_a_path_was_taken_for(places, run_app, tiny_run):
    said = run_app(train, *tiny_run.command, "--data=~/faces.npz", "--dry_run")
    assert said.status == 0, said.err
    assert "'--data=npz:~/faces.npz'" in said.out and f"data: {COUNT} images of" in said.out
    said = run_app(train, *tiny_run.command, "--data=phots", "--dry_run")
    assert said.status == 2
    assert said.err.startswith("error: phots does not exist: give a folder of images ")


def test_a_kind_goes_before_a_path(places):
    write_images(places / "heads")
    write_images(places / "npz")
    write_images(places / "folder:photos")
    assert source_of("heads") == (SOURCES["heads"], "")
    assert source_of("folder:photos") == (SOURCES["folder"], "photos")
    # What needs more than its kind is no name of data.
    assert source_of("npz") == (SOURCES["folder"], "npz")
    assert with_kind("./heads") == "folder:./heads"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("phots", "^phots does not exist: give a folder of images or of videos "),
        ("~/phots", "^~/phots does not exist: give"),
        ("phots:cats", "^phots:cats does not exist: give"),
        ("tfdx:mnist", "^tfdx:mnist does not exist: did you mean tfds:mnist[?] Else give"),
        ("", "^`data` is needed: give a folder"),
        ("npz:", "^npz: names no data: write npz:PATH.:KEY., as in npz:faces.npz:images[.]$"),
        ("empty", "^empty holds no data: give a folder of images or of videos "),
        ("notes.txt", "^notes.txt holds no data: "),
        ("photos/cats/0.png", "^photos/cats/0.png holds no data"),
    ],
)
def test_what_is_no_data_is_told_in_a_line(places, spec, message):
    with pytest.raises(InputError, match=message) as error:
        source_of(spec)
    assert len(str(error.value)) < 160


def test_a_folder_without_data_says_what_it_holds(places):
    for name in ("a.tga", "b.TGA", "deep/c.pcx", "readme"):
        (places / "scans" / name).parent.mkdir(parents=True, exist_ok=True)
        (places / "scans" / name).write_bytes(b"\0\0\2")
    holds = "^scans holds no data but 2 .tga, 1 without suffix, 1 .pcx [(]images are .jpg, .png, "
    with pytest.raises(InputError, match=holds) as error:
        source_of("scans")
    assert "convert others to these): give a folder of images" in str(error.value)


def test_the_help_that_messages_name_lists_every_form():
    (field,) = [f for f in dataclasses.fields(DataConfig) if f.name == "data"]
    for source in SOURCES.values():
        assert source.form in field.metadata["help"]


def test_what_a_program_has_given_it_alone_can_read_again():
    with pytest.raises(InputError, match="given by a Python program"):
        load(DataConfig(data="memory"))


@pytest.mark.parametrize("name", ["x.npz", "x.zip", "x.mp4"])
def test_a_pipe_is_said_to_be_one(places, name):
    os.mkfifo(places / name)
    with pytest.raises(InputError, match=f"^{name} holds no data: it is a named pipe, not a reg"):
        source_of(name)
