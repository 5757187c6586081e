"""How the heads of `heads_clips` move: expressions that come and go, and a head that sways."""

import dataclasses

import numpy as np

from dgn_tf.utils.errors import InputError

MOVED = ("mouth_opening", "smile", "brow_raise")
STRENGTH_RANGE = (0.75, 1.0)
# Degrees: where the head rests, and how far it sways around there.
SWAY = {"yaw": (8.0, 8.0), "pitch": (4.0, 4.0)}
FEWEST_FRAMES = 3


@dataclasses.dataclass(frozen=True)
class Expression:
    """What a face does.

    Attributes:
        name: what people call it.
        apex: `MOVED` at the apex, at full strength; a neutral face has zeros.
        rise: usual time from the onset to the apex, as a fraction of the clip.
        fall: usual time from the apex back to neutral.
        lags: for each of `MOVED`, the part of `rise` by which it starts late, and of `fall` by
            which it ends early.
    """

    name: str
    apex: tuple[float, float, float]
    rise: float
    fall: float
    lags: tuple[float, float, float]


EXPRESSIONS = (
    Expression("anger", (0.0, -0.7, -1.0), 0.24, 0.24, (0.0, 0.3, 0.0)),
    Expression("disgust", (0.6, -1.0, -0.9), 0.22, 0.28, (0.3, 0.0, 0.3)),
    Expression("fear", (0.5, -1.0, 1.0), 0.18, 0.26, (0.2, 0.2, 0.0)),
    Expression("happiness", (0.4, 1.0, 0.0), 0.22, 0.30, (0.5, 0.0, 0.0)),
    Expression("sadness", (0.0, -1.0, 0.8), 0.30, 0.30, (0.0, 0.3, 0.0)),
    Expression("surprise", (1.0, 0.1, 1.0), 0.16, 0.20, (0.4, 0.0, 0.0)),
)


def sample_motion(
    expression: np.ndarray, frames: int, seed: int, sway: float = 1.0
) -> dict[str, np.ndarray]:
    """Draws how the heads of N clips move; row i depends on neither N nor the other rows.

    The face is neutral in the first and in the last frame, and at least one frame shows the full
    expression. The sway of the head has nothing to do with the expression.

    Args:
        expression: int [N], indices into `EXPRESSIONS`.
        frames: number F of frames, at least 3.
        seed: non-negative integer; the same seed gives the same rows.
        sway: how far the heads are turned and turn, over what `SWAY` says.

    Returns:
        float32 [N, F]: `yaw`, `pitch` (degrees), `mouth_opening`, `smile`, `brow_raise`; and
        `strength` (float32 [N], of the apex over that in `EXPRESSIONS`) and `apex` (int64 [N], a
        frame that shows it).

    Raises:
        InputError: fewer than 3 frames.
    """
    check_frames(frames)
    n, time = len(expression), np.arange(frames) / (frames - 1)
    columns = {}
    for stream, (name, ranges) in enumerate(SWAY.items()):
        rest, turned = (sway * degrees for degrees in ranges)
        place, reach, phase, speed = np.random.default_rng([seed, 2, stream]).random((n, 4)).T
        turns = phase[:, None] + (0.25 + 0.5 * speed)[:, None] * time
        columns[name] = (rest * (2 * place - 1))[:, None]
        columns[name] = columns[name] + (turned * reach)[:, None] * np.sin(2 * np.pi * turns)
    uniform = np.random.default_rng([seed, 2, len(SWAY)]).random((n, 5)).T
    strength = STRENGTH_RANGE[0] + np.ptp(STRENGTH_RANGE) * uniform[0]
    # On a frame, so that the apex is seen however short the clip is.
    apex = np.rint((0.4 + 0.2 * uniform[1]) * (frames - 1)).astype(np.int64)
    hold = 0.06 + 0.08 * uniform[2]
    before, after = apex / (frames - 1) - hold, apex / (frames - 1) + hold
    kinds = [EXPRESSIONS[index] for index in expression]
    rise = np.array([kind.rise for kind in kinds]) * (0.8 + 0.4 * uniform[3])
    fall = np.array([kind.fall for kind in kinds]) * (0.8 + 0.4 * uniform[4])
    onset, end = np.maximum(before - rise, 0), np.minimum(after + fall, 1)
    for place, name in enumerate(MOVED):
        lag = np.array([kind.lags[place] for kind in kinds])
        rising = _ease(onset + lag * (before - onset), before, time)
        falling = _ease(after, end - lag * (end - after), time)
        target = strength * np.array([kind.apex[place] for kind in kinds])
        columns[name] = target[:, None] * rising * (1 - falling)
    columns = {name: column.astype(np.float32) for name, column in columns.items()}
    return columns | {"strength": strength.astype(np.float32), "apex": apex}


def _ease(start: np.ndarray, stop: np.ndarray, time: np.ndarray) -> np.ndarray:
    """[N, F], from 0 before `start` [N] to 1 after `stop` [N], smoothly."""
    part = np.clip((time - start[:, None]) / (stop - start)[:, None], 0, 1)
    return part * part * (3 - 2 * part)


def check_frames(frames: int) -> None:
    """Check that a clip has room for an expression.

    Raises:
        InputError: fewer than 3 frames.
    """
    if frames < FEWEST_FRAMES:
        raise InputError(
            f"heads_clips need at least {FEWEST_FRAMES} frames (neutral, expression, neutral); "
            f"got {frames}"
        )
