"""The health of displacement fields, and what each group contributes to the images."""

import numpy as np

from dgn_tf.evaluation.metrics.errors import squared_errors
from dgn_tf.models.deformable import SATURATED, DeformableGenerator
from dgn_tf.ops.jacobian import folded_fraction
from dgn_tf.types import LatentArrays, LatentModel
from dgn_tf.visualize.decoding import decode


def outside_fraction(displacement: np.ndarray) -> float:
    """Share of samples (x + dx, y + dy) beyond the centers of the outermost pixels.

    Args:
        displacement: [N, S, S, 2], (dx, dy) in pixels.
    """
    side = displacement.shape[1]
    axis = np.arange(side, dtype=np.float32)
    u = axis[None, None, :] + displacement[..., 0]
    v = axis[None, :, None] + displacement[..., 1]
    return float(np.mean((u < 0) | (u > side - 1) | (v < 0) | (v > side - 1)))


def field_bound(model: LatentModel) -> float | None:
    """The bound of the displacement in pixels, where a tanh gives it one, else None."""
    return model.geometry.max_pixels if isinstance(model, DeformableGenerator) else None


def field_health(parts: dict[str, np.ndarray], bound: float | None = None) -> dict[str, float]:
    """Numbers that tell whether displacement fields are sound.

    Args:
        parts: "geometry", displacements [N, S, S, 2] in pixels; "appearance", the canonical
            images [N, S, S, C] in [-1, 1].
        bound: of the displacement in pixels (`field_bound`), or None.

    Returns:
        `displacement`, the mean length in pixels; and shares in [0, 1]: `folded` of cells with a
        Jacobian determinant of 0 or below, `outside` of samples read outside the frame,
        `saturated_appearance` of pixel values beyond 0.99 of the range of tanh, and, where the
        field has a bound, `saturated_geometry` of displacements likewise.
    """
    displacement = parts["geometry"]
    health = {
        "displacement": float(np.linalg.norm(displacement, axis=-1).mean()),
        "folded": float(np.mean(folded_fraction(displacement))),
        "outside": outside_fraction(displacement),
        "saturated_appearance": float(np.mean(np.abs(parts["appearance"]) > SATURATED)),
    }
    if bound is not None:
        health["saturated_geometry"] = float(np.mean(np.abs(displacement) > SATURATED * bound))
    return health


def explained_variance(model: LatentModel, latents: LatentArrays) -> dict[str, float]:
    """What of the reconstructions' variance is lost without a group.

    With V(z_a, z_g) the variance of the images F(z_a, z_g), summed over pixels and channels, the
    number for geometry is 1 - V(z_a, mean of z_g) / V(z_a, z_g): every example shown in the same
    geometry. That for appearance is made likewise. They need not sum to 1: what only both together
    make is in both, and images that vary more without a group give a negative number.

    Args:
        model: a trained model.
        latents: inferred latents, [N, d] for each group, N at least 2.

    Returns:
        A number of at most 1 for each group; NaN if all images are the same.
    """
    whole = _variance(decode(model, latents)[0])
    lost = {}
    for name, z in latents.items():
        fixed = {**latents, name: np.broadcast_to(z.mean(axis=0), z.shape)}
        left = _variance(decode(model, fixed)[0])
        lost[name] = 1.0 - left / whole if whole > 0.0 else float("nan")
    return lost


def _variance(images: np.ndarray) -> float:
    mean = images.mean(axis=0, dtype=np.float64)
    return float(squared_errors(images, np.broadcast_to(mean, images.shape)).mean())
