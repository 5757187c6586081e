"""JSON objects that carry a checksum of themselves."""

import json
import zlib
from typing import Any


def with_checksum(values: dict[str, Any]) -> dict[str, Any]:
    """The values with a `checksum` of them, which `verified` compares."""
    return {**values, "checksum": checksum_of(values)}


def verified(text: str) -> dict[str, Any]:
    """The values of a JSON object, without the checksum that older versions did not write.

    Raises:
        ValueError: it is no JSON object, or no longer the one that was written.
    """
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    checksum = values.pop("checksum", None)
    if checksum is not None and checksum != checksum_of(values):
        raise ValueError("its checksum is wrong: it was changed or damaged after it was written")
    return values


def checksum_of(values: dict[str, Any]) -> str:
    """CRC-32 in hex of values that JSON can hold, whatever their order."""
    return f"{zlib.crc32(json.dumps(values, sort_keys=True).encode()):08x}"
