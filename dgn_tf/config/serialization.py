"""What is kept as JSON and read back, perhaps damaged, perhaps written by another version."""

import dataclasses
import json
import math
from typing import Any

from dgn_tf import __version__
from dgn_tf.utils.checksums import verified, with_checksum
from dgn_tf.utils.errors import InputError

# Sections that older versions did not write.
_YOUNG = {"execution"}
_WANTED = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text"}


def config_json(sections: dict) -> str:
    """Settings by section as indented JSON, with the version that wrote them and a checksum."""
    return json.dumps(with_checksum({**sections, "version": __version__}), indent=2) + "\n"


def read_sections(text: str, kinds: dict) -> dict:
    """Settings that this or an older version has written.

    A setting or section that the older version did not have yet gets its default; `labelled`, which
    became `appearance`, is translated.

    Args:
        text: of `config_json`.
        kinds: the dataclass of each section by name.

    Returns:
        An instance of its dataclass for each section.

    Raises:
        InputError: the text is damaged, a section is missing, a setting is not known or its value
            of another type or out of its range.
    """
    try:
        stored = verified(text)
    except ValueError as error:
        raise InputError(f"not a configuration of this program: {error}") from None
    writer = stored.pop("version", None)
    for name in _YOUNG & kinds.keys():
        stored.setdefault(name, {})
    for name in kinds:
        if not isinstance(stored.get(name), dict):
            raise InputError(f"not a configuration of this program: it has no section {name!r}")
    for name in stored:
        if name not in kinds:
            raise InputError(f"{name!r} is no section {_of_version(writer)}")
    stored["model"] = _translated(stored["model"])
    return {
        name: kind(**_checked(stored[name], name, kind, writer)) for name, kind in kinds.items()
    }


def _translated(model: dict) -> dict:
    """The section `model` in today's words."""
    if not isinstance(model.get("labelled"), bool) or "appearance" in model:
        return model
    rest = {name: value for name, value in model.items() if name != "labelled"}
    return {**rest, "appearance": "label" if model["labelled"] else "continuous"}


def _checked(values: dict, section: str, kind: type, writer: object) -> dict:
    """The values of a section, once each is found to be a setting of the right type."""
    types = {field.name: field.type for field in dataclasses.fields(kind)}
    found = {}
    for name, value in values.items():
        if name not in types:
            raise InputError(f"{section}.{name} is no setting {_of_version(writer)}")
        wanted = types[name]
        if wanted is float and type(value) is int and abs(value) < 2**53:
            value = float(value)
        if type(value) is not wanted or (wanted is float and not math.isfinite(value)):
            shown = str(value)[:100]
            raise InputError(f"`{name}={shown}`: must be {_WANTED[wanted]} in a configuration")
        found[name] = value
    return found


def _of_version(writer: object) -> str:
    if writer in (None, __version__):
        return f"of this version of dgn_tf, {__version__}"
    return (
        f"of this version of dgn_tf, {__version__}: the file was written by {str(writer)[:20]}, "
        "use that or a newer one"
    )


def flagfile(settings: dict[str, tuple[Any, dataclasses.Field]]) -> str:
    """The text of a flagfile that gives these settings, as `Config.settings` lists them."""
    lines = ["# All settings of this run, for --flagfile."]
    for name, (value, field) in settings.items():
        lines.append(f"--{name}={str(value).lower() if field.type is bool else value}")
    return "\n".join(lines) + "\n"
