"""How every command runs: it reads its flags and reports errors in one line."""

import functools
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import app, flags

from dgn_tf.cli.help import Common, brief_help, full_help, wanted_help
from dgn_tf.cli.log import warnings_as_lines
from dgn_tf.cli.presets import read_files
from dgn_tf.utils.errors import (
    DiskError,
    InputError,
    WorkerLost,
    closed_path,
    disk_reason,
    lacks_memory,
    long_name,
)
from dgn_tf.utils.quiet import quiet_logs
from dgn_tf.utils.terminal import at_the_terminal

# A command: takes its arguments, returns an exit status or None.
Main = Callable[[list[str]], int | None]


def run_app(main: Main, positionals: Sequence[str] = (), common: Common | None = None) -> None:
    """Run a command whose flags are declared; a user's error is one line and exit status 2.

    How it meets Ctrl-C and its readers is said by `dgn_tf.utils.terminal`.

    Args:
        main: the command.
        positionals: names of the arguments it takes that are no flags, such as "SOURCE"; the last
            may end in "...", which stands for any number, none too.
        common: flags of its short help by the title of their group; None shows all of its own.
    """
    about = sys.modules[main.__module__].__doc__ or ""
    parse = functools.partial(
        parse_command_line, positionals=positionals, about=about, common=common
    )
    with at_the_terminal():
        app.run(guarded(main), flags_parser=parse)


def parse_command_line(
    argv: list[str],
    positionals: Sequence[str] = (),
    about: str = "",
    common: Common | None = None,
) -> list[str]:
    """Read the command line, or give the help that it asks for and end.

    Args:
        argv: the program's name and its arguments.
        positionals: as of `run_app`, as is `common`.
        about: what the command does, for its help.
        common: flags of its short help.

    Returns:
        The program's name and the values of the positionals.
    """
    wanted = wanted_help(argv)
    if wanted:
        brief = wanted == "brief"
        text = brief_help(about, common, flags.FLAGS) if brief else full_help(about, flags.FLAGS)
        print(text, flush=True)
        sys.exit(0)
    try:
        rest = flags.FLAGS(read_files(argv, flags.FLAGS))
    except BrokenPipeError:
        # Of the help, whose reader has gone.
        raise
    except InputError as error:
        _fail(str(error))
    except UnicodeDecodeError as error:
        _fail(f"a file that --flagfile names is no text ({error.reason}): give one of flags.")
    except (flags.Error, OSError, RecursionError) as error:
        _fail(" ".join(str(error).removeprefix("ERROR:: ").split("\n")) + " (see --help)")
    except SystemExit:
        # Help for programs (--helpxml) was asked for and given: absl calls that status 1.
        sys.exit(0)
    many = bool(positionals) and positionals[-1].endswith("...")
    surplus = rest[1 + len(positionals) :]
    if surplus and not many:
        _fail(f"{surplus[0]!r} is no flag: flags look like --name=value (see --help)")
    missing = positionals[len(rest) - 1 : -1 if many else None]
    if missing:
        _fail(f"{' and '.join(missing)} missing: give {' '.join(positionals)} (see --help)")
    if "" in rest:
        # As a path it would be the working directory.
        _fail("an argument is empty: leave it out, or name a file or folder (see --help)")
    return rest


def guarded(main: Main) -> Main:
    """`main(argv)` that reports errors in one line: exit status 2 for the user's, else 1."""

    def call(argv: list[str]) -> int | None:
        # What a command does with Keras in its own process is no concern of others.
        warnings.filterwarnings("ignore", "dgn_tf needs Keras with ")
        try:
            # Notes of the libraries would bury the program's own lines.
            with warnings_as_lines(as_flags), quiet_logs():
                return main(argv)
        except BrokenPipeError:
            # Of standard output, whose reader has gone: no error of the command.
            raise
        except InputError as error:
            _fail(str(error))
        except (DiskError, WorkerLost) as error:
            _fail(str(error), status=1)
        except Exception as error:
            # Batches are read inside TensorFlow, which passes messages on in errors of its own.
            if told := re.search("InputError: (.+)", str(error)):
                _fail(told[1])
            if not _in_a_folder():
                _fail("the working directory has been removed: go to one that is there (cd).")
            if name := long_name(error):
                _fail(f"the name {name} is longer than the file system takes: give a shorter one.")
            if closed := closed_path(error):
                _fail(closed)
            reason = disk_reason(error)
            if reason is None and lacks_memory(error):
                _fail(
                    "there is not enough memory for these settings: give a smaller `batch_size`, "
                    "`side` or `limit`, or smaller networks, or close other programs.",
                    status=1,
                )
            if reason is None:
                raise
            _fail(
                f"a file cannot be written ({reason}): what was finished before is kept. Make "
                "room, then run the same command again.",
                status=1,
            )

    return call


def _in_a_folder() -> bool:
    """Whether the working directory is still there: without it no relative path leads anywhere."""
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _fail(message: str, status: int = 2) -> NoReturn:
    print(f"error: {as_flags(message)}", file=sys.stderr)
    sys.exit(status)


def as_flags(message: str) -> str:
    """A message of the library, which names settings in backticks, with the flags that set them.

    "`side=48`: must be one of 32, 64" is "--side=48: must be one of 32, 64" for a command that has
    the flag --side.
    """

    def flag(match: re.Match) -> str:
        return f"--{match[1]}{match[2]}" if match[1] in flags.FLAGS else match[0]

    return re.sub(r"`(\w+)((?:=[^`]*)?)`", flag, message)
