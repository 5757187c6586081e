"""What a run is measured on."""

import dataclasses

from dgn_tf.config.alignment import align_setting
from dgn_tf.config.fields import Typed, require_at_least, require_choice, setting

# Where the reports on a run are, in its folder.
EVALUATION = "evaluation"
_LIMIT = 500


@dataclasses.dataclass(frozen=True)
class EvaluationData(Typed):
    """What a run is measured on."""

    data: str = setting(
        "",
        "Images that the run was not trained on, in a form of --data of dgn_tf.train. If not "
        "given, those that it has held out (--validation) or, for a run on heads, heads:test. "
        "expressions: any labeled clips or images; the run's own, clips with the latents inferred "
        "in its training, if not given. geometry: where directions come from; likewise.",
        reads="data",
    )
    where: str = setting("", "LABEL=VALUE: of --data, only examples with this label.")
    limit: int | None = setting(
        None,
        "Use the first LIMIT of these examples, 0 for all; 500 if not given (expressions: all).",
    )
    data_dir: str = setting("", "Folder of prepared TFDS data sets; else the run's.")
    align: str = align_setting()

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        require_choice(self, "align")
        if self.limit is not None:
            require_at_least(0, self, "limit")

    def count(self, default: int = _LIMIT) -> int:
        """How many examples to use, 0 for all; `default` if no limit is given."""
        return default if self.limit is None else self.limit
