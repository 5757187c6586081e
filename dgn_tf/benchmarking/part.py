"""What a part of the benchmark is: something to measure, as text and as a chart."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from dgn_tf.config import Config
from dgn_tf.config.fields import require_at_least, setting
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


@dataclasses.dataclass(frozen=True)
class Repeats:
    """How often a part times what it compares; settings of a part's own are added to it."""

    repeats: int = setting(5, "Timed runs of everything that is compared; for clips 7 by default.")

    def __post_init__(self) -> None:
        """Check the range."""
        require_at_least(1, self, "repeats")


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
    """Something that dgn_tf.benchmark measures.

    Attributes:
        measure: makes of the `Config` of a training, and of an instance of `settings`, the numbers
            as JSON can hold them. A part that takes long yields what it has found so far, and is
            written as often.
        rows: makes of the numbers the lines of a text.
        chart: makes of the numbers an image, uint8 [H, W, 3]; None for none.
        settings: dataclass of the part's own settings, each of which becomes a flag.
        check: raises an `InputError` for what `measure` cannot measure, before anything is.
        defaults: of flags that are not given, where they differ from the declared ones. A part
            with any is measured with settings of its own, and so are its numbers.
        opt_in: whether it is measured only when --parts names it.
        markdown: whether the rows are Markdown, and written as a file of their own.
    """

    measure: Callable[[Config, Any], dict[str, Any] | Iterator[dict[str, Any]]]
    rows: Callable[[dict[str, Any]], Iterable[str]]
    chart: Callable[[dict[str, Any]], np.ndarray] | None = None
    settings: type = Repeats
    check: Callable[[Config, Any], None] = require_plain_step
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    opt_in: bool = False
    markdown: bool = False

    def found(self, config: Config, settings: Any) -> Iterator[dict[str, Any]]:
        """The numbers, once or, of a part that takes long, again with more of them."""
        numbers = self.measure(config, settings)
        if isinstance(numbers, dict):
            yield numbers
        else:
            yield from numbers
