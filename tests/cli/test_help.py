"""The help of the commands: a screen of what people use, all of it by section."""

import importlib
import re

import pytest
from absl import flags as absl_flags

from dgn_tf import __main__ as dgn
from dgn_tf import train
from dgn_tf.cli.help import brief_help, full_help, wanted_help
from dgn_tf.cli.presets import preset_names

# The doctor has no flags.
NAMES = sorted(dgn.COMMANDS.keys() - {"doctor"})


@pytest.fixture
def declared():
    """`declared(app)`: flags with those that a command declares."""
    before = set(absl_flags.FLAGS)

    def declare(app):
        app.define_flags()
        return absl_flags.FLAGS, set(absl_flags.FLAGS) - before

    yield declare
    for name in set(absl_flags.FLAGS) - before:
        delattr(absl_flags.FLAGS, name)


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_help_tells_every_flag_once_with_its_section(name, declared):
    app = importlib.import_module(f"dgn_tf.{name}")
    values, own = declared(app)
    text = full_help(app.__doc__, values)
    for flag in own:
        assert text.count(f"\n  --{flag}=") + text.count(f"\n  --[no]{flag}") >= 1, flag
    # No heading is what Python makes of a class without a docstring.
    assert not re.search(r"^\w+\(.*[:=]", text, re.MULTILINE)
    assert "\nHow the program itself runs (absl):\n" in text and "--verbosity=" in text


def test_settings_stand_in_sections_with_their_defaults_and_choices(declared):
    values, _ = declared(train)
    text = full_help(train.__doc__, values)
    learning = text.index("\nAlternating back-propagation (Algorithm 1)")
    assert text.index("\n  --data=heads ") < learning < text.index("\n  --epochs=1000 ")
    assert "One of 32, 64, 128, 256" in text or "One of" in text
    assert "\n  --[no]noise (on) " in text


def test_the_short_help_shows_the_groups_of_the_command(declared):
    values, _ = declared(train)
    text = brief_help(train.__doc__, {"First": ("side", "model")}, values)
    assert text.startswith("Learn a generator from images or clips.\n\nUsage: dgn train ")
    assert "\nFirst:\n  --side=64 " in text and "<deformable|" not in text
    assert "\n  --epochs" not in text


@pytest.mark.parametrize("name", NAMES)
def test_the_short_help_is_one_screen_of_whole_sentences(name, declared, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    app = importlib.import_module(f"dgn_tf.{name}")
    values, _ = declared(app)
    text = brief_help(app.__doc__, getattr(app, "COMMON", None), values)
    lines = text.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 100
    # What is cut off would end so; sequences such as "16, 32, 64, ..." have a comma there.
    assert not [line for line in lines if line.endswith(" ...") and not line.endswith(", ...")]
    whole = full_help(app.__doc__, values)
    for flag, shown in re.findall(r"^  --(\w+)=(\S+)", text, re.MULTILINE):
        assert shown == "..." or f"\n  --{flag}={shown}" in whole, flag
    if "preset" in values:
        listed = " ".join(text.partition("\nPresets: ")[2].partition("\n\n")[0].split())
        assert listed.split(", ") == preset_names()


def test_help_that_does_not_fit_is_cut_between_words(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string("long", "x" * 40, "word " * 50, flag_values=values)
    absl_flags.DEFINE_bool("a_switch_of_a_long_name", True, "Text.", flag_values=values)
    shown = {"All": ["long", "a_switch_of_a_long_name"]}
    text = brief_help("About.", shown, values)
    assert "\n  --long=..." in text and "word ...\n" in text
    assert "\n  --[no]a_switch_of_a_long_name (on)\n" in text


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], None),
        (["--side=32"], None),
        (["--", "--help"], None),
        (["--side=32", "--help"], "brief"),
        (["-h"], "brief"),
        (["--help=all"], "all"),
        (["--helpfull"], "all"),
    ],
)
def test_which_help_is_wanted(arguments, wanted):
    assert wanted_help(["dgn train", *arguments]) == wanted
