"""Models by the settings that make them."""

from dgn_tf.models.baselines.abp import PlainGenerator
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator


def make_model(settings, side, channels):
    """The untrained model of a `dgn_tf.config.ModelConfig`, for pictures [side, side, channels]."""
    appearance = AppearanceGenerator(
        latent_dim=settings.appearance_dim,
        side=side,
        channels=channels,
        alpha=settings.alpha,
        scheme=settings.appearance_scheme,
        beta=settings.appearance_beta,
    )
    if settings.model == "abp":
        return PlainGenerator(appearance)
    geometry = GeometricGenerator(
        latent_dim=settings.geometry_dim,
        side=side,
        max_displacement=settings.max_displacement,
        scheme=settings.geometry_scheme,
        beta=settings.geometry_beta,
        smoothing=settings.smoothing,
    )
    return DeformableGenerator(
        appearance,
        geometry,
        border=settings.border,
        fold_penalty=settings.fold_penalty,
        mean_penalty=settings.mean_penalty,
    )
