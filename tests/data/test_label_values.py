"""Labels as people store them: columns, one-hot, truth values, whole floats; text is told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgn_tf.data.examples import Examples
from dgn_tf.data.label_values import described, label_of, number_label_of
from dgn_tf.data.labels import class_labels, labels_of, one_hot
from dgn_tf.utils.errors import InputError

LABELS = np.array([0, 2, 1, 2, 0, 1])
SHAPES = {
    "plain": LABELS,
    "column": LABELS[:, None],
    "deep column": LABELS[:, None, None],
    "row of ones": LABELS.reshape(6, 1, 1, 1),
    "floats": LABELS.astype(np.float32),
    "float column": LABELS[:, None].astype(np.float64),
    "bytes": LABELS.astype(np.uint8),
    "one-hot": np.eye(3, dtype=np.int64)[LABELS],
    "one-hot floats": np.eye(3, dtype=np.float32)[LABELS],
    "one-hot truth": np.eye(3, dtype=bool)[LABELS],
    "one-hot bytes": np.eye(3, dtype=np.uint8)[LABELS],
}
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32), dtype=np.uint8)


def examples(values, frames=None):
    shape = (6, frames, 8, 8, 1) if frames else (6, 8, 8, 1)
    names = tuple(f"v{k}" for k in range(6))
    return Examples(np.zeros(shape, np.uint8), np.arange(6), names, {"kind": values})


@pytest.mark.parametrize("form", SHAPES)
def test_a_label_of_any_form_is_understood_everywhere(tmp_path, load_data, form):
    np.savez(tmp_path / "x.npz", images=IMAGES, kind=SHAPES[form])
    loaded = load_data(f"npz:{tmp_path}/x.npz", 32, 1)
    np.testing.assert_array_equal(one_hot(loaded, "kind", 3), np.eye(3)[LABELS])
    np.testing.assert_array_equal(class_labels(loaded, "kind"), LABELS)
    np.testing.assert_array_equal(number_label_of(loaded, "kind"), LABELS)
    chosen = load_data(f"npz:{tmp_path}/x.npz", 32, 1, where="kind=2")
    assert chosen.ids.tolist() == [1, 3]
    clips = examples(np.repeat(np.asarray(SHAPES[form])[:, None], 4, axis=1), frames=4)
    np.testing.assert_array_equal(labels_of(clips, ("kind",), "npz:x")["kind"], LABELS)


def test_truth_values_are_zero_and_one(tmp_path, load_data):
    np.savez(tmp_path / "x.npz", images=IMAGES, smiles=LABELS == 2)
    chosen = load_data(f"npz:{tmp_path}/x.npz", 32, 1, where="smiles=1")
    assert chosen.ids.tolist() == [1, 3]
    np.testing.assert_array_equal(one_hot(examples(LABELS == 2), "kind", 2)[:, 1], LABELS == 2)


WORDS = np.array(["cat", "dog", "cat", "dog", "cat", "cat"])


@pytest.mark.parametrize("values", [WORDS, WORDS[:, None], WORDS.astype("S")])
def test_words_are_chosen_by_but_are_no_numbers(tmp_path, load_data, values):
    reason = r"is text \(cat, dog, ...\), and a number is needed"
    with pytest.raises(InputError, match=f"`appearance=label`: the label 'kind' .* {reason}"):
        one_hot(examples(values), "kind", 3)
    np.savez(tmp_path / "x.npz", images=IMAGES, kind=values)
    chosen = load_data(f"npz:{tmp_path}/x.npz", 32, 1, where="kind=dog")
    assert chosen.ids.tolist() == np.flatnonzero(WORDS == "dog").tolist()
    with pytest.raises(InputError, match="`where=kind=1`: no example .* has it; kind is cat, dog"):
        load_data(f"npz:{tmp_path}/x.npz", 32, 1, where="kind=1")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((6, 2)), r"is \[N, 2\], neither one value for each example nor one-hot"),
        (np.eye(3)[LABELS] * 2, r"is \[N, 3\], neither"),
        (np.zeros((6, 3, 3)), r"is \[N, 3, 3\], neither"),
        (np.zeros(6, complex), "is complex128, neither numbers nor text"),
        (np.zeros(6, "datetime64[s]"), r"is datetime64\[s\], neither numbers nor text"),
    ],
)
def test_what_is_no_label_is_told_with_the_reason(tmp_path, load_data, values, reason):
    with pytest.raises(InputError, match=f"`appearance=label`: the label 'kind' .* {reason}"):
        one_hot(examples(values), "kind", 3)
    np.savez(tmp_path / "x.npz", images=IMAGES, kind=values)
    with pytest.raises(InputError, match=f"`where=kind=1`: the label 'kind' of npz:.* {reason}"):
        load_data(f"npz:{tmp_path}/x.npz", 32, 1, where="kind=1")
    with pytest.raises(InputError, match=f"has no label 'other'; it has .*kind {reason}"):
        load_data(f"npz:{tmp_path}/x.npz", 32, 1, where="other=1")


def test_objects_are_refused_with_the_file(tmp_path, load_data):
    np.savez(tmp_path / "x.npz", images=IMAGES, kind=WORDS.astype(object))
    with pytest.raises(InputError, match="x.npz: cannot be read: kind.npy holds objects"):
        load_data(f"npz:{tmp_path}/x.npz", 32, 1)


@pytest.mark.parametrize("values", [LABELS + 0.5, np.array([0, 1, np.nan, 1, 0, 1])])
def test_numbers_that_are_no_classes_are_refused(values):
    with pytest.raises(InputError, match="must be a whole number from 0 to 2"):
        one_hot(examples(values), "kind", 3)
    with pytest.raises(InputError, match="`label=kind`: .* neither text nor whole numbers"):
        class_labels(examples(values), "kind")


def test_text_can_be_compared_with(tmp_path):
    np.testing.assert_array_equal(class_labels(examples(WORDS), "kind"), WORDS)
    np.testing.assert_array_equal(class_labels(examples(WORDS[:, None]), "kind"), WORDS)
    coded = np.char.encode(WORDS, "utf-8")
    np.testing.assert_array_equal(class_labels(examples(coded), "kind"), WORDS)
    assert described(examples(WORDS), numbers=False) == "kind"


def test_a_label_that_changes_within_a_clip_is_none():
    values = np.repeat(LABELS[:, None], 4, axis=1)
    values[3, 2] = 0
    with pytest.raises(ValueError, match="changes within clip v3"):
        label_of(examples(values, frames=4), "kind")


@given(st.integers(1, 4), st.integers(0, 3), st.sampled_from("bBhHiIlLfd"))
def test_shapes_and_types(classes, ones, code):
    labels = np.arange(6) % classes
    values = labels.astype(code).reshape(6, *[1] * ones)
    np.testing.assert_array_equal(number_label_of(examples(values), "kind"), labels)
    if classes > 1:
        hot = np.eye(classes, dtype=code)[labels]
        np.testing.assert_array_equal(number_label_of(examples(hot), "kind"), labels)
