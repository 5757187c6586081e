"""Images and clips from paths and arrays; mistakes are one error that names the argument."""

import sys

import numpy as np
import pytest
from PIL import Image

import dgn_tf as dgn
from dgn_tf.data.cropping import detection
from dgn_tf.data.cropping.detection import Face
from dgn_tf.utils.errors import InputError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    for number, image in enumerate(PIXELS):
        Image.fromarray(image).save(root / f"{number}.png")
    np.savez(root.parent / "faces.npz", images=PIXELS)
    return root


@pytest.mark.parametrize("number", range(8))
def test_every_kind_of_source_gives_the_same_images(folder, number):
    files = [folder / f"{number}.png" for number in range(4)]
    source = (
        folder,
        str(folder.parent / "faces.npz"),
        files,
        PIXELS,
        PIXELS / 255.0,
        [Image.fromarray(image) for image in PIXELS],
        list(PIXELS),
        dgn.load_images(PIXELS, side=32),
    )[number]
    examples = dgn.load_images(source, side=32)
    assert repr(examples) == "Examples(4 images, 32x32x3)"
    np.testing.assert_array_equal(examples.images, PIXELS)


def test_a_single_image_is_one_whatever_it_is_given_as(folder):
    for source in (folder / "2.png", str(folder / "2.png"), PIXELS[2], Image.fromarray(PIXELS[2])):
        np.testing.assert_array_equal(dgn.load_images(source, side=32).images, PIXELS[2:3])
    assert dgn.load_images(PIXELS[2, ..., 0], side=32, channels=1).channels == 1


def test_an_image_that_a_program_has_opened_is_upright_too(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    for name in ("a.png", "a.tiff"):
        Image.fromarray(PIXELS[2]).save(tmp_path / name, exif=turned)
        wanted = dgn.load_images(tmp_path / name, side=32).images[0]
        np.testing.assert_array_equal(wanted, np.rot90(PIXELS[2], -1))
        for source in (Image.open(tmp_path / name), [Image.open(tmp_path / name)]):
            np.testing.assert_array_equal(dgn.load_images(source, side=32).images[0], wanted)


def test_limits_and_labels(folder):
    assert len(dgn.load_images(folder, side=32, limit=2)) == 2
    assert len(dgn.load_images(PIXELS, side=32, limit=2)) == 2
    labelled = dgn.load_images(PIXELS, side=32, labels=[0, 1, 1, 0])
    assert labelled.factors["label"].tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ([], {}, "`source`: is empty"),
        (np.zeros([0, 32, 32, 3]), {}, "`source`: holds no image: its shape is [0, 32, 32, 3]"),
        (np.zeros([2, 3, 32, 32]), {}, "`source`: images must have shape"),
        (np.full([2, 32, 32, 3], 255.0), {}, "`source`: its values: floats must lie in [0, 1]"),
        (PIXELS / 127.5 - 1.0, {}, "`source`: its values: floats must lie in [0, 1]; found [-1"),
        (PIXELS.astype(int), {}, "`source`: its values: must be uint8, or floats in [0, 1]"),
        ({"a": 1}, {}, "`source`: must be a path, a list of paths, or an array of images"),
        (PIXELS > 9, {}, "or an array of images; it is ndarray of bool"),
        (np.ma.masked_equal(PIXELS, 9), {}, "`source`: has masked values"),
        (
            [Image.new("F", (32, 32), 9.0)],
            {},
            "`source`: floating-point values from 9 to 9 st",
        ),
        ("nowhere", {}, "`source`: nowhere does not exist"),
        (["nowhere.jpg"], {}, "`source`: nowhere.jpg does not exist"),
        (PIXELS, {"side": 48}, "`side=48`: must be one of 32, 64, 128, 256"),
        (PIXELS, {"channels": 4}, "`channels=4`"),
        (PIXELS, {"align": "nose"}, "`align=nose`: must be 'eyes', perhaps"),
        (PIXELS, {"labels": [1, 2]}, "`labels` must be whole numbers [4]"),
        (PIXELS, {"labels": [[1], [2, 3]]}, "`labels` has parts of different shapes"),
        (PIXELS, {"side": "32"}, "`side='32'`: must be a whole number"),
        (PIXELS, {"limit": 2.5}, "`limit=2.5`: must be a whole number"),
        (PIXELS, {"limit": True}, "`limit=True`: must be a whole number"),
        (PIXELS, {"channels": None}, "`channels=None`: must be a whole number"),
        (PIXELS, {"align": True}, "`align=True`: must be 'eyes', perhaps"),
        (dgn.load_images(PIXELS, side=32), {"side": 64}, "`source` is Examples(4 images, 32x32x3)"),
    ],
)
def test_a_mistake_names_the_argument(source, settings, message):
    with pytest.raises(ValueError) as error:
        dgn.load_images(source, **({"side": 32} | settings))
    assert isinstance(error.value, InputError)
    assert message in str(error.value)


def test_an_empty_folder_is_said_to_be(tmp_path):
    with pytest.raises(InputError, match="`source`: .* holds no data"):
        dgn.load_images(tmp_path)


@pytest.fixture
def faces(monkeypatch):
    """A detector that finds the eyes where an image is bright."""

    def detect(image):
        if np.asarray(image).mean() < 50:
            return []
        return [Face((20.0, 20.0, 40.0, 40.0), 0.99, ((33.0, 36.0), (47.0, 36.0)))]

    monkeypatch.setattr(detection, "load_detector", lambda *settings: detect)


def test_faces_without_eyes_are_left_out_of_a_folder_and_refused_by_name(tmp_path, faces, caplog):
    for name, value in (("bright", 200), ("dark", 10)):
        Image.new("RGB", (80, 80), (value,) * 3).save(tmp_path / f"{name}.png")
    examples = dgn.load_images(tmp_path, side=32, align="eyes")
    assert examples.names == ("bright.png",) and examples.side == 32
    assert (examples.faces, examples[:1].faces) == ("eyes:0.1", "eyes:0.1")
    assert dgn.load_images(tmp_path, side=32, align="eyes:0.2").faces == "eyes:0.2"
    assert "1 of 2 images are left out" in caplog.text and "dark.png" in caplog.text
    with pytest.raises(InputError, match="`source`: no face for `align=eyes` in .*dark.png"):
        dgn.load_images([tmp_path / "bright.png", tmp_path / "dark.png"], side=32, align="eyes")
    array = np.full([1, 80, 80, 3], 200, np.uint8)
    assert len(dgn.load_images(array, side=32, align="eyes")) == 1


def test_without_a_detector_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    with pytest.raises(InputError, match="`align=eyes` needs a face detector.*: pip install"):
        dgn.load_images(PIXELS, side=32, align="eyes")


def test_clips_of_arrays_and_of_folders(folder):
    clips = np.stack([PIXELS, PIXELS[::-1]])
    examples = dgn.load_clips(clips, side=32, frames=2, stride=2)
    assert repr(examples) == "Examples(2 clips of 2 frames, 32x32x3)"
    np.testing.assert_array_equal(examples.images, clips[:, ::2])
    assert len(dgn.load_clips(PIXELS / 255.0, side=32, frames=4)) == 1
    both = dgn.load_clips([folder, folder], side=32, frames=2, limit=1)
    np.testing.assert_array_equal(both.images[0], PIXELS[:2])
    with pytest.raises(InputError, match="`source`: its clips have 4 frames, and `frames=9`"):
        dgn.load_clips(PIXELS, side=32, frames=9)
    with pytest.raises(InputError, match="`source`: clips must have shape"):
        dgn.load_clips(PIXELS[0], side=32)
    with pytest.raises(InputError, match="`frames=0`"):
        dgn.load_clips(PIXELS, side=32, frames=0)


def test_what_would_be_ignored_is_refused():
    images = dgn.load_images(PIXELS, side=32)
    assert len(dgn.load_images(images, side=32, limit=3)) == 3
    clips = dgn.load_clips(PIXELS, side=32, frames=4)
    for ask, message in (
        (lambda: dgn.load_images(images, side=32, align="eyes"), "`align` is for photographs"),
        (lambda: dgn.load_clips(clips, side=32, frames=4, stride=2), "`stride` and `fps` are for"),
        (lambda: dgn.load_clips(PIXELS, side=32, frames=2, fps=5.0), "leave `fps=5` out"),
        (lambda: dgn.DynamicGenerator().fit(images), "`train` is Examples.*clips of 8 frames"),
    ):
        with pytest.raises(InputError, match=message):
            ask()


def test_a_split_holds_out_a_fraction_and_repeats_itself():
    examples = dgn.load_images(np.repeat(PIXELS, 5, axis=0), side=32)
    train, held_out = examples.split(0.1, seed=1)
    assert (len(train), len(held_out)) == (18, 2)
    assert sorted([*train.ids, *held_out.ids]) == list(range(20))
    assert list(train.ids) == sorted(train.ids)
    assert list(examples.split(0.1, seed=1)[1].ids) == list(held_out.ids)
    assert list(examples.split(0.1, seed=2)[1].ids) != list(held_out.ids)
    assert [len(part) for part in examples.split(0.999)] == [1, 19]
    for fraction, seed, name in ((0, 0, "fraction"), (1.0, 0, "fraction"), (0.1, -1, "seed")):
        with pytest.raises(InputError, match=f"`{name}="):
            examples.split(fraction, seed)
    with pytest.raises(InputError, match="at least two examples"):
        examples.subset([0]).split(0.5)


def test_clips_of_different_lengths_are_refused():
    clips = [np.zeros([length, 32, 32, 3], np.uint8) for length in (3, 2)]
    with pytest.raises(InputError, match="`source`: has parts of different shapes"):
        dgn.load_clips(clips, side=32, frames=2)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros([3, 40, 48], np.uint8),
        np.zeros([2, 3, 40, 48], np.uint8),
        [np.zeros([3, 40, 48], np.uint8)],
        np.zeros([2, 1, 40, 48]),
    ],
)
def test_channels_in_front_are_one_error_that_says_how_to_move_them(array, tmp_path, trained):
    messages = []
    for ask in (dgn.load_images, trained.model.infer, trained.model.fit, trained.model.evaluate):
        with pytest.raises(InputError, match=r"np.moveaxis\(array, (0|-3), -1\)") as error:
            ask(array)
        messages.append(str(error.value))
    assert [text.partition(" ")[0].rstrip(":") for text in messages] == [
        "`source`",
        "`source`",
        "`train`",
        "`held_out`",
    ]
    if not isinstance(array, list):
        np.savez(tmp_path / "a.npz", images=array)
        with pytest.raises(InputError, match=r"a.npz:images: is .*np.moveaxis\(array"):
            dgn.load_images(tmp_path / "a.npz")


def test_channels_in_front_of_clips_and_photographs_are_told_too(trained):
    for shape, axis in (([4, 3, 40, 48], -3), ([2, 4, 3, 40, 48], -3), ([2, 3, 8, 40, 48], -4)):
        with pytest.raises(InputError, match=rf"clips must .*np.moveaxis\(array, {axis}, -1\)"):
            dgn.load_clips(np.zeros(shape, np.uint8), side=32, frames=2)
    first = np.zeros([3, 40, 48], np.uint8)
    for ask, name in (
        (lambda: trained.model.warp(first, geometry={1: 1}), "source"),
        (lambda: trained.model.drive(PIXELS[0], first[None]), "video"),
        (lambda: dgn.Images(first[None]), "pixels"),
    ):
        with pytest.raises(InputError, match=rf"`{name}` must .*np.moveaxis\(array, -3, -1\)"):
            ask()
    # Three gray images, said to be so, and shapes that cannot be meant otherwise.
    assert len(dgn.load_images(first[..., None], side=32)) == 3
    assert len(dgn.load_images(np.zeros([2, 40, 48], np.uint8), side=32)) == 2
    assert len(dgn.load_images(np.zeros([1, 40, 48], np.uint8), side=32)) == 1


def test_tables_and_tensors_are_arrays(folder, tmp_path):
    pandas = pytest.importorskip("pandas")
    torch = pytest.importorskip("torch")
    files = pandas.Series([str(folder / f"{number}.png") for number in range(4)])
    for source in (
        files,
        files.to_numpy(),
        np.array(files.tolist()),
        torch.from_numpy(PIXELS),
        [torch.from_numpy(image) for image in PIXELS],
    ):
        np.testing.assert_array_equal(dgn.load_images(source, side=32).images, PIXELS)
    labels = [0, 1, 1, 0]
    for given in (
        pandas.Series(labels),
        pandas.Series(labels, dtype="Int64"),
        torch.tensor(labels),
        pandas.Categorical([0, 1, 1, 0]),
    ):
        examples = dgn.load_images(PIXELS, side=32, labels=given)
        assert examples.factors["label"].tolist() == labels
    clips = dgn.load_clips(pandas.Series([str(folder)]), side=32, frames=2)
    assert len(clips) == 2


def test_what_numpy_makes_no_array_of_names_the_argument(trained):
    pandas = pytest.importorskip("pandas")
    torch = pytest.importorskip("torch")
    attached = torch.zeros([2, 32, 32, 3], requires_grad=True)
    labels = (pandas.Series(["a", "b", "c", "d"]), pandas.DataFrame({"a": [0, 1, 1, 0]}))
    for ask, name in (
        (lambda: dgn.load_images(attached), "source"),
        (lambda: dgn.load_images([attached[0]]), "source"),
        (lambda: dgn.load_clips(attached[None]), "source"),
        (lambda: trained.model.infer(attached.bfloat16()), "source"),
        (lambda: trained.model.warp(attached[0], geometry={1: 1}), "source"),
        (lambda: trained.model.drive(PIXELS[0], attached), "video"),
        (lambda: dgn.load_images(pandas.DataFrame({"a": ["x.png"]})), "source"),
        *((lambda each=each: dgn.load_images(PIXELS, labels=each), "labels") for each in labels),
    ):
        with pytest.raises(InputError, match=f"`{name}`"):
            ask()
