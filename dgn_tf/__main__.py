"""The command `dgn`: dgn COMMAND --flags, with one module of this package for each command."""

import difflib
import importlib
import os
import sys

from dgn_tf import __version__
from dgn_tf.utils.terminal import at_the_terminal

COMMANDS = {
    "prepare": "cut square crops out of photographs, faces for example",
    "train": "learn a model from a folder of images, or of videos",
    "infer": "take images apart: latents, reconstructions, recombinations, edits",
    "sample": "paint images that were never there",
    "morph": "from one image to another, as a strip, GIF or MP4",
    "drive": "move a photograph as a video moves, as a GIF or MP4",
    "explore": "move through a model in the browser",
    "evaluate": "measure a run, with a report",
    "export": "a model for TF Serving, for devices or as a web page",
    "amortise": "learn where inference may start, for a run without an encoder",
    "pack": "data as TFRecord files, for what does not fit into memory",
    "transfer": "the transfer table of the paper",
    "benchmark": "how long a training step takes here",
    "doctor": "whether trainings will work here, and what to do if not",
}
# Other spellings, and the modules of the commands.
ALIASES = {"amortize": "amortise"}

HELP = f"""Deformable Generator Networks {__version__}: appearance and geometry, learned apart.

Usage: dgn COMMAND --flag=value ...

{{commands}}

Begin with:  dgn train --preset=quickstart --run_dir=runs/quickstart
Own images:  dgn train --preset=faces64 --data=PATH --run_dir=runs/faces
Help:        dgn COMMAND --help
"""


def overview() -> str:
    """All commands on one screen."""
    lines = [f"  {name:<11}{summary}" for name, summary in COMMANDS.items()]
    return HELP.format(commands="\n".join(lines))


def main_cli() -> None:
    """Hands the command line on to the command that it names."""
    with at_the_terminal():
        name, *rest = sys.argv[1:] or ["--help"]
        if name == "help" and rest:
            name, *rest = rest[0], "--help"
        if name in ("--help", "-h", "help", "--helpfull"):
            print(overview(), end="")
            return
        if name == "--version":
            print(f"dgn_tf {__version__}")
            return
        module = ALIASES.get(name, name)
        if module not in COMMANDS:
            near = difflib.get_close_matches(name, [*COMMANDS, *ALIASES], n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"they are {', '.join(COMMANDS)}."
            print(f"error: {name!r} is no command of dgn; {hint} (see dgn --help)", file=sys.stderr)
            sys.exit(2)
        # Programs show this as their name.
        sys.argv = [f"dgn {name}", *rest]
        importlib.import_module(f"dgn_tf.{module}").main_cli()


def program() -> None:
    """What dgn-train and its like are: the command after "dgn-" in the name of the program.

    A Ctrl-C while the command is imported is one line too.
    """
    with at_the_terminal():
        name = os.path.basename(sys.argv[0]).removeprefix("dgn-").partition(".")[0]
        importlib.import_module(f"dgn_tf.{ALIASES.get(name, name)}").main_cli()


if __name__ == "__main__":
    main_cli()
