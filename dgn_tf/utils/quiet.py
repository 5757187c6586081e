"""TensorFlow without a word, in commands, programs and notebooks alike.

Whoever sets TF_CPP_MIN_LOG_LEVEL below 3 hears everything.
"""

import contextlib
import os
import sys
from collections.abc import Iterator

from dgn_tf.utils.imports import around_import

_VARIABLE, _SILENT = "TF_CPP_MIN_LOG_LEVEL", "3"


def quiet_imports() -> None:
    """From now on TensorFlow is imported without a word; an import that fails shows them all.

    Its libraries write before they look at the variable, so nothing in Python can keep them from
    it.
    """
    # It must be set before TensorFlow is imported.
    os.environ.setdefault(_VARIABLE, _SILENT)
    around_import("tensorflow", quiet_libraries)


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """In here what goes to file descriptor 2 goes nowhere, or after an error, there after all.

    It is for what libraries write that are not made with Python.
    """
    with _standard_error_aside() if _is_silent() else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def quiet_logs() -> Iterator[None]:
    """In here TensorFlow and absl log nothing but errors: deprecations, and what they have done.

    What this package warns of is logged as before.
    """
    if not _is_silent():
        yield
        return
    # Only here: `import dgn_tf` takes no time.
    import logging

    from absl import logging as absl_logging

    # TensorFlow has a logger of its own, whose level is lower in notebooks.
    logger, verbosity = logging.getLogger("tensorflow"), absl_logging.get_verbosity()
    level = logger.level
    # In programs of absl its verbosity is the level of all loggers that have none of their own.
    ours = logging.getLogger("dgn_tf")
    our_level = ours.level
    ours.setLevel(ours.getEffectiveLevel())
    absl_logging.set_verbosity(absl_logging.ERROR)
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        absl_logging.set_verbosity(verbosity)
        logger.setLevel(level)
        ours.setLevel(our_level)


def _is_silent() -> bool:
    return os.environ.get(_VARIABLE) == _SILENT


@contextlib.contextmanager
def _standard_error_aside() -> Iterator[None]:
    """In here file descriptor 2 is a file, whose content is written again after an error."""
    with contextlib.suppress(AttributeError):
        # There is none in a process that was started without.
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:
        # It was closed from the start: nothing can be written.
        yield
        return
    # Only here, as in `quiet_logs`.
    import tempfile

    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(kept, 2)
            aside.seek(0)
            os.write(2, aside.read())
            raise
        finally:
            with contextlib.suppress(AttributeError):
                sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
