"""Command-line flags made from the settings' declarations, and what every app shares."""

import contextlib
import dataclasses
import functools
import os
import re
import sys
import time
import typing

import tensorflow as tf
from absl import app, flags, logging
from tqdm import tqdm

from dgn_tf.config import Config
from dgn_tf.parsing import DiskError, InputError, WorkerLost, disk_reason

_DEFINERS = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def define_config_flags(names=None, flag_values=flags.FLAGS):
    """Declare one flag for every setting of `Config`, or for those with the given names alone."""
    for name, (default, field) in Config().settings().items():
        if names is not None and name not in names:
            continue
        text = field.metadata["help"]
        if field.type is str and field.metadata["choices"]:
            choices = field.metadata["choices"]
            flags.DEFINE_enum(name, default, choices, text, flag_values=flag_values)
        else:
            _DEFINERS[field.type](name, default, text, flag_values=flag_values)


def config_from_flags(values):
    """The `Config` that the flags say.

    Raises:
        InputError: a value out of its range.
    """
    sections = typing.get_type_hints(Config)
    return Config(
        **{
            section: kind(**{f.name: values[f.name].value for f in dataclasses.fields(kind)})
            for section, kind in sections.items()
        }
    )


def config_from_file(path):
    """The `Config` that a flagfile says, whatever the program's own flags are.

    Raises:
        InputError: it cannot be read, or has something that is no setting.
    """
    values = flags.FlagValues()
    define_config_flags(flag_values=values)
    try:
        values(["flagfile", f"--flagfile={path}"])
    except (flags.Error, OSError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None
    return config_from_flags(values)


def flagfile(config):
    """The text of a flagfile that gives `config`."""
    lines = ["# All settings of this run, for --flagfile."]
    for name, (value, field) in config.settings().items():
        lines.append(f"--{name}={str(value).lower() if field.type is bool else value}")
    return "\n".join(lines) + "\n"


def run(main, positionals=()):
    """Run an app whose flags are declared; a user's error is one line and exit status 2.

    `positionals` are the names of the arguments it takes that are no flags, such as "SOURCE".
    """
    app.run(guarded(main), flags_parser=functools.partial(parse, positionals=positionals))


def parse(argv, positionals=()):
    """Read the command line: returned are the program's name and one value for each positional."""
    # --help shows the flags of the main module: those that the settings make belong to it too.
    for module, declared in flags.FLAGS.flags_by_module_dict().items():
        if module.startswith("dgn_tf."):
            for flag in declared:
                flags.FLAGS.register_key_flag_for_module(argv[0], flag)
    try:
        rest = flags.FLAGS(argv)
    except (flags.Error, OSError, UnicodeDecodeError, RecursionError) as error:
        _fail(" ".join(str(error).removeprefix("ERROR:: ").split("\n")) + " (see --help)")
    except SystemExit:
        # Help was asked for and given: absl calls that status 1.
        sys.exit(0)
    surplus = rest[1 + len(positionals) :]
    if surplus:
        _fail(f"{surplus[0]!r} is no flag: flags look like --name=value (see --help)")
    missing = positionals[len(rest) - 1 :]
    if missing:
        _fail(f"{' and '.join(missing)} missing: give {' '.join(positionals)} (see --help)")
    return rest


def guarded(main):
    """`main(argv)` that tells errors in one line: status 2 for the user's, else 1."""

    def call(argv):
        # The libraries' notes on what they are doing would bury the program's own lines.
        logging.set_verbosity(logging.WARNING)
        tf.get_logger().setLevel("ERROR")
        try:
            return main(argv)
        except InputError as error:
            _fail(str(error))
        except (DiskError, WorkerLost) as error:
            _fail(str(error), status=1)
        except Exception as error:
            # Batches are read inside TensorFlow, which passes messages on in errors of its own.
            if told := re.search("InputError: (.+)", str(error)):
                _fail(told[1])
            reason = disk_reason(error)
            if reason is None:
                raise
            _fail(
                f"a file cannot be written ({reason}): what was finished before is kept. Make "
                "room, then run the same command again.",
                status=1,
            )

    return call


def _fail(message, status=2):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(status)


@contextlib.contextmanager
def progress(label, seconds=15.0):
    """A reporter `report(done, total)`: a bar with an ETA on a terminal, else lines now and then.

    Lines are at least `seconds` apart, but the last one is always written.
    """
    watched, start = sys.stderr.isatty(), time.monotonic()
    last = [start]
    with tqdm(desc=label, disable=not watched) as bar:

        def report(done, total):
            bar.total = total
            bar.update(done - bar.n)
            now = time.monotonic()
            if not watched and (now - last[0] >= seconds or (done >= total and last[0] > start)):
                last[0] = now
                left = (now - start) / max(done, 1) * (total - done)
                print(
                    f"{label}: {done} of {total}, about {left:.0f} s left",
                    file=sys.stderr,
                    flush=True,
                )

        yield report


def write_text(path, text):
    """Write a text file aside, then rename it into place."""
    partial = f"{path}.partial"
    with open(partial, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    os.replace(partial, path)
