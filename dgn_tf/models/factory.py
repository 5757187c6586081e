"""Models by the settings that make them."""

from dgn_tf.config import CLIP_MODELS
from dgn_tf.models.autoencoder import EncodedGenerator, Encoder
from dgn_tf.models.baselines.abp import PlainGenerator
from dgn_tf.models.baselines.integrated import IntegratedGeometricGenerator
from dgn_tf.models.baselines.mocogan import ContentMotionGenerator
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.dynamic import DynamicDeformableGenerator, TransitionNetwork
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.models.refinement import Refinement

_PLAIN = ("abp", "vae")
_ENCODED = ("vae", "deformable_vae", "deforming_autoencoder")


def make_model(settings, side, channels, frames=0):
    """The untrained model of a `dgn_tf.config.ModelConfig`.

    Args:
        settings: the `ModelConfig`.
        side: S of images [S, S, channels].
        channels: 1 or 3.
        frames: of a clip, for a model of clips.
    """
    video, codes = settings.model in CLIP_MODELS, settings.model == "mocogan"
    appearance = AppearanceGenerator(
        latent_dim=settings.appearance_dim + (settings.geometry_dim if codes else 0),
        side=side,
        channels=channels,
        alpha=settings.width if video else settings.alpha,
        scheme=settings.appearance_scheme,
        beta=settings.appearance_beta,
        table="V" if video else "IV",
        dtype=settings.precision,
    )
    if codes:
        return ContentMotionGenerator(
            appearance,
            settings.geometry_dim,
            settings.geometry_noise_dim,
            frames,
            settings.frames_per_chunk,
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
            appearance_kind=settings.appearance,
            refinement=(
                Refinement(side, channels, settings.refinement, dtype=settings.precision)
                if settings.refinement
                else None
            ),
        )
    if settings.model == "dynamic":
        return _dynamic(generator, settings, frames)
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
            dtype=settings.precision,
        ),
    )


def _geometry(settings, side):
    if settings.model == "deforming_autoencoder":
        return IntegratedGeometricGenerator(settings.geometry_dim, side, dtype=settings.precision)
    return GeometricGenerator(
        latent_dim=settings.geometry_dim,
        side=side,
        max_displacement=settings.max_displacement,
        scheme=settings.geometry_scheme,
        beta=settings.geometry_beta,
        smoothing=settings.smoothing,
        table="V" if settings.model == "dynamic" else "IV",
        width=settings.width if settings.model == "dynamic" else 1.0,
        dtype=settings.precision,
    )


def _dynamic(emission, settings, frames):
    dims = zip(
        emission.latent_dims.items(),
        (settings.appearance_noise_dim, settings.geometry_noise_dim),
        strict=True,
    )
    transitions = {
        name: TransitionNetwork(dim, noise_dim, residual=settings.residual)
        for (name, dim), noise_dim in dims
    }
    return DynamicDeformableGenerator(emission, transitions, frames - 1, settings.frames_per_chunk)
