"""Imports without a word: what TensorFlow's libraries write while they load goes nowhere.

They write to file descriptor 2 before they know of TF_CPP_MIN_LOG_LEVEL, so nothing in Python can
keep them from it.
"""

import contextlib
import importlib.abc
import importlib.machinery
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from types import ModuleType

# The packages whose libraries write.
_NOISY = ("tensorflow",)
# What `dgn_tf` sets TF_CPP_MIN_LOG_LEVEL to where a user has not asked for more.
_SILENT = "3"


def quiet_imports() -> None:
    """From now on TensorFlow is imported without a word, unless TF_CPP_MIN_LOG_LEVEL is below 3.

    An import that fails shows what was written.
    """
    quiet = any(isinstance(finder, _QuietFinder) for finder in sys.meta_path)
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == _SILENT and not quiet:
        sys.meta_path.insert(0, _QuietFinder())


class _QuietFinder(importlib.abc.MetaPathFinder):
    """Finds the noisy packages, and has them loaded quietly."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """What the import system asks for a module; None leaves it to others."""
        if fullname not in _NOISY:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _QuietLoader(spec.loader)
        return spec


class _QuietLoader(importlib.abc.Loader):
    """Loads a module as another loader does, which takes its place again."""

    def __init__(self, loader: importlib.abc.Loader):
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """The module as the other loader makes it."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module with standard error aside."""
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        with _standard_error_aside():
            self._loader.exec_module(module)


@contextlib.contextmanager
def _standard_error_aside() -> Iterator[None]:
    """In here file descriptor 2 is a file, whose content is written again after an error."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:
        # It was closed from the start: nothing can be written.
        yield
        return
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
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
