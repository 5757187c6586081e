"""Classes that Keras finds in its files before the modules which make them are imported."""

import contextlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from dgn_tf.utils.imports import around_import
from dgn_tf.utils.keras_settings import require_readable_settings


class _Placeholder:
    """What Keras makes an object with; it asks the class, which takes this one's place.

    Args:
        name: that the class is registered by.
        module: that registers it.
    """

    def __init__(self, name: str, module: str):
        self.name, self.module = name, module

    def from_config(self, config: dict[str, Any]) -> Any:
        """The object that the class makes of its settings."""
        importlib.import_module(self.module)
        return _registered()[self.name].from_config(config)


def announce_classes(modules: Mapping[str, str]) -> None:
    """Tell Keras of classes, now if it is imported, else as soon as it is.

    An import that a broken keras.json would end is refused with what to do.

    Args:
        modules: by the names that their classes are registered by, as in "dgn_tf>Encoder".
    """

    @contextlib.contextmanager
    def told() -> Iterator[None]:
        require_readable_settings()
        yield
        _announce(modules)

    around_import("keras", told)
    if sys.modules.get("keras") is not None:
        _announce(modules)


def _announce(modules: Mapping[str, str]) -> None:
    for name, module in modules.items():
        _registered().setdefault(name, _Placeholder(name, module))


def _registered() -> dict[str, Any]:
    return importlib.import_module("keras").saving.get_custom_objects()
