"""The measurements as text."""

from collections.abc import Mapping
from typing import Any

from dgn_tf.benchmarking.registry import PARTS


def table(result: Mapping[str, Any]) -> str:
    """What dgn_tf.benchmark has found, as plain text.

    Args:
        result: "machine"; "settings" of the training, unless every part has its own; and the
            numbers of the parts that were measured, by name.
    """
    lines = []
    if "settings" in result:
        lines.append(
            "One training step: batch {batch_size}, {side}x{side}x{channels}, l = {langevin_steps}"
            ", latents {appearance_dim} + {geometry_dim}, alpha {alpha:g}".format(
                **result["settings"]
            )
        )
    lines.append("{device}, TensorFlow {tensorflow}".format(**result["machine"]))
    for name, part in PARTS.items():
        if name in result:
            lines += ["", *part.rows(result[name])]
    return "\n".join(lines)
