"""The help of the commands: a screen of what people use, all of it by section."""

import importlib

import pytest
from absl import flags as absl_flags

from dgn_tf import __main__ as dgn
from dgn_tf import train
from dgn_tf.cli.help import brief_help, full_help, wanted_help

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
    assert "--epochs" not in text


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
