"""What happens around the import of a package, whenever a program imports it."""

import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any, cast

# What a module is loaded in.
Around = Callable[[], AbstractContextManager[None]]


def around_import(name: str, around: Around) -> None:
    """From now on a package is loaded within `around()`; one that is there is not loaded again.

    Args:
        name: of a package at the top.
        around: makes what it is loaded in. A second one for the same package takes its place.
    """
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            finder.around[name] = around
            return
    sys.meta_path.insert(0, _Finder({name: around}))


# Neither has the base class of its kind: `importlib.abc` takes longer to import than all else here.
class _Finder:
    """Finds some packages as Python does, and has them loaded within something."""

    def __init__(self, around: dict[str, Around]):
        self.around = around

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """What the import system asks for a module; None leaves it to others."""
        if fullname not in self.around:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = cast(Any, _Loader(spec.loader, self.around[fullname]))
        return spec


class _Loader:
    """Loads a module as another loader does, which takes its place again."""

    def __init__(self, loader: Any, around: Around):
        self._loader, self._around = loader, around

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """The module as the other loader makes it."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module within what is around it."""
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        with self._around():
            self._loader.exec_module(module)
