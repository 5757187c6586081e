"""Examples chosen by a label."""

import numpy as np
import pytest
from PIL import Image

from dgn_tf.config import DataConfig
from dgn_tf.utils.errors import InputError


def test_where_chooses_before_the_limit(tmp_path, load_data):
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    labels = np.array([0, 1, 1, 0, 1, 1])
    np.savez(tmp_path / "x.npz", images=images, view=labels, wide=np.zeros((6, 2)))
    spec = f"npz:{tmp_path}/x.npz:images"
    examples = load_data(spec, 8, 1, limit=3, where="view=1")
    assert examples.ids.tolist() == [1, 2, 4]
    np.testing.assert_array_equal(examples.images[..., 0], images[[1, 2, 4]])
    assert len(load_data(spec, 8, 1, where="view=1.0")) == 4
    with pytest.raises(InputError, match="no example of .* has it; view is 0, 1"):
        load_data(spec, 8, 1, where="view=2")
    with pytest.raises(InputError, match=r"the label 'wide' of .*:images is \[N, 2\], nei"):
        load_data(spec, 8, 1, where="wide=0")


@pytest.mark.parametrize("text", ["view", "=1", "view=", "view= "])
def test_where_is_a_label_and_a_value(text):
    with pytest.raises(InputError, match="must be LABEL=VALUE"):
        DataConfig(where=text)


def test_words_are_chosen_as_they_are_seen(tmp_path, load_data):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    moods = np.array(["glad", "caf\u00e9", "1", "a=b"])
    np.savez(tmp_path / "x.npz", images=images, mood=moods, view=np.arange(4))
    spec = f"npz:{tmp_path}/x.npz:images"
    for row, text in enumerate(("glad ", "cafe\u0301", "1", "a=b")):
        assert load_data(spec, 8, 1, where=f"mood={text}").ids.tolist() == [row]
    with pytest.raises(InputError, match="has it; mood is 1, a=b, caf\u00e9, glad"):
        load_data(spec, 8, 1, where="mood=sad")
    with pytest.raises(InputError, match="has it; view is 0, 1, 2, 3"):
        load_data(spec, 8, 1, where="view=left")


def test_a_class_folder_is_chosen_by_its_name(tmp_path, load_data):
    for number, name in enumerate(("cats", "dogs", "2nd")):
        (tmp_path / "in" / name).mkdir(parents=True)
        Image.new("L", (8, 8), number).save(tmp_path / "in" / name / "a.png")
    spec = f"folder:{tmp_path}/in"
    assert load_data(spec, 8, 1, where="label=dogs").names == ("dogs/a.png",)
    assert load_data(spec, 8, 1, where="label=0").names == ("2nd/a.png",)
    with pytest.raises(InputError, match="has it; label is 2nd, cats, dogs"):
        load_data(spec, 8, 1, where="label=cat")


def test_a_folder_that_a_number_may_not_have_meant_is_told(tmp_path, load_data, caplog):
    for number in (1, 2, 10):
        (tmp_path / "in" / str(number)).mkdir(parents=True)
        Image.new("L", (8, 8), number).save(tmp_path / "in" / str(number) / "a.png")
    found = load_data(f"folder:{tmp_path}/in", 8, 1, where="label=2")
    assert found.names == ("10/a.png",)
    assert "--where=label=2 takes the folder 10 of " in caplog.text
    caplog.clear()
    (tmp_path / "in" / "1").rename(tmp_path / "in" / "0")
    (tmp_path / "in" / "2").rename(tmp_path / "in" / "1")
    for number in range(2):
        load_data(f"folder:{tmp_path}/in", 8, 1, where=f"label={number}")
    (tmp_path / "in" / "10").rename(tmp_path / "in" / "cats")
    load_data(f"folder:{tmp_path}/in", 8, 1, where="label=2")
    assert not caplog.text


@pytest.mark.parametrize(
    ("names", "text", "number"),
    [
        (("1", "2", "10"), "10", 2),
        (("2019", "2020", "2021"), "2020", 1),
        (("1", "1.5", "2"), "1.5", 1),
        (("-5", "0", "5"), "-5", 2),
    ],
)
def test_a_folder_whose_name_is_no_label_is_told_with_its_label(
    tmp_path, load_data, names, text, number
):
    for name in names:
        (tmp_path / "in" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "in" / name / "a.png")
    spec = f"folder:{tmp_path}/in"
    with pytest.raises(InputError, match=f"the folder {text} is label={number}[.]$"):
        load_data(spec, 8, 1, where=f"label={text}")
    assert load_data(spec, 8, 1, where=f"label={number}").names == (f"{text}/a.png",)
