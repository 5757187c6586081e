"""What a part of the benchmark is: something to measure, as text and as a chart."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from dgn_tf.config import Config
from dgn_tf.utils.errors import InputError

# Settings of a training that the step which is measured does not have.
_FIXED = (
    "model",
    "appearance",
    "border",
    "refinement",
    "precision",
    "noise",
    "simultaneous",
    "proposals",
    "decorrelation",
    "freeze",
    "adversarial",
    "ema",
    "strategy",
)


def require_plain_step(config: Config, _: Any = None) -> None:
    """Check that a training step of these settings is that of the paper (Algorithm 1).

    Raises:
        InputError: a setting that the programs which ours is compared with do not have.
    """
    default = Config().settings()
    for name in _FIXED:
        value, wanted = config.settings()[name][0], default[name][0]
        if value != wanted:
            raise InputError(
                f"`{name}={value}`: steps are measured with `{name}={wanted}` only: leave it out."
            )


@dataclasses.dataclass(frozen=True)
class Part:
    """How dgn_tf.benchmark measures one of the parts that `dgn_tf.config.benchmark` describes.

    Attributes:
        measure: makes of the `Config` of a training, and of an instance of the part's settings, the
            numbers as JSON can hold them. A part that takes long yields what it has found so far,
            and is written as often.
        rows: makes of the numbers the lines of a text.
        chart: makes of the numbers an image, uint8 [H, W, 3]; None for none.
        check: raises an `InputError` for what `measure` cannot measure, before anything is.
        markdown: whether the rows are Markdown, and written as a file of their own.
    """

    measure: Callable[[Config, Any], dict[str, Any] | Iterator[dict[str, Any]]]
    rows: Callable[[dict[str, Any]], Iterable[str]]
    chart: Callable[[dict[str, Any]], np.ndarray] | None = None
    check: Callable[[Config, Any], None] = require_plain_step
    markdown: bool = False

    def found(self, config: Config, settings: Any) -> Iterator[dict[str, Any]]:
        """The numbers, once or, of a part that takes long, again with more of them."""
        numbers = self.measure(config, settings)
        if isinstance(numbers, dict):
            yield numbers
        else:
            yield from numbers
