"""Settings read back: from older versions, from newer ones, and damaged."""

import dataclasses
import json

import pytest

from dgn_tf import __version__
from dgn_tf.config import Config, ModelConfig
from dgn_tf.utils.checksums import verified, with_checksum
from dgn_tf.utils.errors import InputError


def older(change):
    """A configuration as versions wrote it that knew neither checksum nor version, changed."""
    sections = json.loads(Config().to_json())
    del sections["checksum"], sections["version"]
    change(sections)
    return json.dumps(sections)


def labelled(value):
    def change(sections):
        for name in ("appearance", "refinement", "precision"):
            del sections["model"][name]
        del sections["learning"]["ema"]
        sections["model"]["labelled"] = value

    return change


@pytest.mark.parametrize(("value", "appearance"), [(True, "label"), (False, "continuous")])
def test_labelled_became_appearance_and_settings_that_were_not_there_have_their_defaults(
    value, appearance
):
    wanted = dataclasses.replace(Config(), model=ModelConfig(appearance=appearance))
    assert Config.from_json(older(labelled(value))) == wanted


def put(section, name, value):
    return older(lambda sections: sections[section].__setitem__(name, value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (put("model", "labelled", True), "model.labelled is no setting of this version of dgn_tf"),
        (put("model", "colour", 1), f"model.colour is no setting of .* dgn_tf, {__version__}"),
        (older(lambda s: s.update(extra={})), f"'extra' is no section of .*, {__version__}"),
        (older(lambda s: s.pop("record")), "has no section 'record'"),
        (put("learning", "epochs", True), "`epochs=True`: must be a whole number"),
        (put("learning", "epochs", 3.0), "`epochs=3.0`: must be a whole number"),
        (put("learning", "noise", 1), "`noise=1`: must be true or false"),
        (put("model", "alpha", "wide"), "`alpha=wide`: must be a finite number"),
        (put("model", "smoothing", float("nan")), "`smoothing=nan`: must be a finite number"),
        (put("model", "smoothing", 10**400), "`smoothing=10*`: must be a finite number"),
        (put("data", "data", None), "`data=None`: must be text"),
        (put("data", "data", "npz:a\n--epochs=1"), "`data='npz:a.*'`: must be one line of text"),
        ('{"data": ' * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(InputError, match=message):
        Config.from_json(text)


def test_a_whole_number_may_stand_for_a_fraction():
    assert Config.from_json(put("model", "alpha", 2)).model.alpha == 2.0


def test_settings_of_another_version_say_which():
    sections = json.loads(older(lambda s: s["model"].update(color=1)))
    with pytest.raises(InputError, match="was written by 9.9.9, use that or a newer one"):
        Config.from_json(json.dumps(sections | {"version": "9.9.9"}))


def test_a_changed_value_is_told_from_the_one_that_was_written():
    text = Config().to_json()
    assert '"seed": 0' in text
    with pytest.raises(InputError, match="checksum is wrong"):
        Config.from_json(text.replace('"seed": 0', '"seed": 8'))


def test_a_sealed_object_comes_back_and_no_other():
    values = {"sums": {"msre": 0.1 + 0.2}, "step": 3}
    text = json.dumps(with_checksum(values))
    assert verified(text) == values
    for place in range(len(text)):
        for bit in (1, 2, 4):
            broken = text[:place] + chr(ord(text[place]) ^ bit) + text[place + 1 :]
            try:
                found = verified(broken)
            except ValueError:
                continue
            # Where the name of the checksum is damaged, there is a name too many.
            assert set(found) - set(values) or found == values
