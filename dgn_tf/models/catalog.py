"""Models by the settings that make them."""

from dgn_tf.models.baselines.abp import PlainGenerator
from dgn_tf.models.baselines.integrated import IntegratedGeometricGenerator
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.encoded import EncodedGenerator
from dgn_tf.models.encoder import Encoder
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator

_PLAIN = ("abp", "vae")
_ENCODED = ("vae", "deformable_vae", "deforming_autoencoder")


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
    if settings.model in _PLAIN:
        generator = PlainGenerator(appearance)
    else:
        generator = DeformableGenerator(
            appearance,
            _geometry(settings, side),
            border=settings.border,
            fold_penalty=settings.fold_penalty,
            mean_penalty=settings.mean_penalty,
            variation_penalty=settings.variation_penalty,
        )
    if settings.model not in _ENCODED:
        return generator
    return EncodedGenerator(
        generator,
        Encoder(
            generator.latent_dims,
            side,
            channels,
            settings.encoder_width,
            variance=settings.model != "deforming_autoencoder",
        ),
    )


def _geometry(settings, side):
    if settings.model == "deforming_autoencoder":
        return IntegratedGeometricGenerator(settings.geometry_dim, side)
    return GeometricGenerator(
        latent_dim=settings.geometry_dim,
        side=side,
        max_displacement=settings.max_displacement,
        scheme=settings.geometry_scheme,
        beta=settings.geometry_beta,
        smoothing=settings.smoothing,
    )
