"""Rows find their files however accents are written."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dgn_tf.data.examples import Examples
from dgn_tf.data.labels import read_labels
from dgn_tf.data.landmarks import read_landmarks
from dgn_tf.data.rows import match
from dgn_tf.data.sources.folders import load_folder
from dgn_tf.utils.errors import InputError

NAMES = ("café", "Åse", "ñandú", "naïve", "plain", "가")


def decomposed(name):
    return unicodedata.normalize("NFD", name)


@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.booleans(), st.booleans()), unique_by=lambda x: x[0]
    )
)
def test_rows_and_files_in_any_form(triples):
    files = [decomposed(name) if file else name for name, file, _ in triples]
    rows = [decomposed(name) if row else name for name, _, row in triples]
    assert match(files, rows) == dict(zip(files, rows, strict=True))


def test_files_that_differ_only_in_accents_have_rows_of_their_own():
    both = ["é", decomposed("é")]
    assert match(both, both) == {name: name for name in both}
    assert match(both, both[:1]) == {both[0]: both[0]}
    with pytest.raises(InputError, match="two rows are about"):
        match(["x"], both)


@pytest.mark.parametrize("spelled", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_tables_of_landmarks_and_labels(tmp_path, spelled, written):
    folder = tmp_path / "in"
    file = folder / unicodedata.normalize(spelled, "Zoë") / unicodedata.normalize(spelled, "é.png")
    file.parent.mkdir(parents=True)
    Image.new("L", (16, 16)).save(file)
    header = "name,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5\n"
    images = load_folder(str(folder), 16, 1)
    for name in ("é.png", "Zoë/é.png", "./Zoë/é.png"):
        row = unicodedata.normalize(written, name) + ",4,5,11,5,8,9,5,12,10,12\n"
        (tmp_path / "t.csv").write_text(header + row, encoding="utf-8")
        kept, _ = read_landmarks(str(tmp_path / "t.csv"), str(folder), images)
        assert kept.tolist() == [0]
    clip = unicodedata.normalize(spelled, "Zoë/é.mp4") + "#000"
    clips = Examples(np.zeros((1, 2, 8, 8, 1), np.uint8), np.arange(1), (clip,))
    row = unicodedata.normalize(written, "Zoë/é.mp4") + ",sad\n"
    (tmp_path / "l.csv").write_text("clip,mood\n" + row, encoding="utf-8")
    kept, found = read_labels(str(tmp_path / "l.csv"), ("mood",), clips)
    assert kept.tolist() == [0] and found["mood"].tolist() == ["sad"]
