"""Models by the settings that make them: one builder for each name of `config.MODELS`."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from dgn_tf.config import Config, ModelConfig
from dgn_tf.models.autoencoder import EncodedGenerator, Encoder
from dgn_tf.models.baselines.abp import PlainGenerator
from dgn_tf.models.baselines.integrated import IntegratedGeometricGenerator
from dgn_tf.models.baselines.mocogan import ContentMotionGenerator
from dgn_tf.models.clip_encoder import ClipEncoder
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.dynamic import DynamicDeformableGenerator, TransitionNetwork
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.models.refinement import Refinement
from dgn_tf.types import ClipModel, LatentModel, one_hot_groups

# Takes the settings, side and channels of the images, and the frames of a clip.
Builder = Callable[[ModelConfig, int, int, int], LatentModel]


def make_model(settings: ModelConfig, side: int, channels: int, frames: int = 0) -> Any:
    """The untrained model that the settings describe.

    Args:
        settings: of the networks.
        side: S of images [S, S, channels], in pixels.
        channels: 1 (gray) or 3 (RGB).
        frames: of a clip, for a model of clips.

    Returns:
        A Keras model that is a `LatentModel`.

    Raises:
        ValueError: settings that do not fit together.
    """
    return MODELS[settings.model](settings, side, channels, frames)


def make_encoder(
    settings: ModelConfig, model: LatentModel, side: int, channels: int
) -> Encoder | ClipEncoder:
    """The untrained encoder, without variances, of what is inferred of a model.

    It has a guess for every group of `model` but those that are given or one-hot; where there are
    classes, one for each class.

    Args:
        settings: of the networks.
        model: of images or clips.
        side: S of images or frames [S, S, channels], in pixels.
        channels: 1 (gray) or 3 (RGB).
    """
    width, precision = settings.encoder_width, settings.precision
    if isinstance(model, ClipModel):
        first = dict(model.frame_dims)
        noise = {name: _noise_dim(model, name) for name in first}
        return ClipEncoder(first, noise, side, channels, width, dtype=precision)
    one_hot = one_hot_groups(model)
    dims = {name: dim for name, dim in model.latent_dims.items() if name not in one_hot}
    classes = sum(model.latent_dims[name] for name in model.class_groups)
    return Encoder(dims, side, channels, width, False, classes, dtype=precision)


def proposing_encoder(config: Config, model: LatentModel) -> Encoder | ClipEncoder | None:
    """The untrained encoder that proposes latents of `model`, or None if none is to do so."""
    if config.learning.proposals == "none":
        return None
    return make_encoder(config.model, model, config.data.side, config.data.channels)


def encoder_settings(encoder: Encoder | ClipEncoder) -> dict[str, Any]:
    """What `encoder_of` makes an encoder without its weights from, ready for JSON."""
    return {"kind": type(encoder).__name__, "settings": encoder.settings}


def encoder_of(described: Any) -> Encoder | ClipEncoder:
    """The untrained encoder that `encoder_settings` describes.

    Raises:
        ValueError, TypeError, KeyError: it is no such description.
    """
    kinds = {kind.__name__: kind for kind in (Encoder, ClipEncoder)}
    return kinds[described["kind"]](**described["settings"])


def _noise_dim(model: ClipModel, name: str) -> int:
    """Length of what moves a group from one frame to the next; 0 if nothing does."""
    _, later = model.unpack(name, tf.zeros([1, model.latent_dims[name]]))
    return later.shape[2] if later.shape[1] else 0


def _plain(settings: ModelConfig, side: int, channels: int, frames: int) -> PlainGenerator:
    return PlainGenerator(_appearance(settings, side, channels))


def _deformable(
    settings: ModelConfig, side: int, channels: int, frames: int
) -> DeformableGenerator:
    appearance = _appearance(settings, side, channels)
    return _warping(settings, appearance, _geometry(settings, side))


def _vae(settings: ModelConfig, side: int, channels: int, frames: int) -> EncodedGenerator:
    generator = _plain(settings, side, channels, frames)
    return _encoded(settings, generator, side, channels)


def _deformable_vae(
    settings: ModelConfig, side: int, channels: int, frames: int
) -> EncodedGenerator:
    generator = _deformable(settings, side, channels, frames)
    return _encoded(settings, generator, side, channels)


def _deforming_autoencoder(
    settings: ModelConfig, side: int, channels: int, frames: int
) -> EncodedGenerator:
    appearance = _appearance(settings, side, channels)
    geometry = IntegratedGeometricGenerator(settings.geometry_dim, side, dtype=settings.precision)
    generator = _warping(settings, appearance, geometry)
    return _encoded(settings, generator, side, channels, variance=False)


def _dynamic(
    settings: ModelConfig, side: int, channels: int, frames: int
) -> DynamicDeformableGenerator:
    clips = settings.emission == "V"
    appearance = _appearance(settings, side, channels, clips)
    emission = _warping(settings, appearance, _geometry(settings, side, clips))
    noise_dims = {
        "appearance": settings.appearance_noise_dim,
        "geometry": settings.geometry_noise_dim,
    }
    transitions = {
        name: TransitionNetwork(dim, noise_dims[name], residual=settings.residual)
        for name, dim in emission.latent_dims.items()
    }
    return DynamicDeformableGenerator(emission, transitions, frames - 1, settings.frames_per_chunk)


def _mocogan(
    settings: ModelConfig, side: int, channels: int, frames: int
) -> ContentMotionGenerator:
    # Its generator takes the codes of content and motion together.
    generator = _appearance(settings, side, channels, clips=True, more=settings.geometry_dim)
    return ContentMotionGenerator(
        generator,
        settings.geometry_dim,
        settings.geometry_noise_dim,
        frames,
        settings.frames_per_chunk,
    )


# A new model is one entry here, and its name in `config.MODELS`.
MODELS: dict[str, Builder] = {
    "deformable": _deformable,
    "abp": _plain,
    "vae": _vae,
    "deformable_vae": _deformable_vae,
    "deforming_autoencoder": _deforming_autoencoder,
    "dynamic": _dynamic,
    "mocogan": _mocogan,
}


def _appearance(
    settings: ModelConfig, side: int, channels: int, clips: bool = False, more: int = 0
) -> AppearanceGenerator:
    """The appearance generator; `more` is added to the length of its latent vector."""
    return AppearanceGenerator(
        latent_dim=settings.appearance_dim + more,
        side=side,
        channels=channels,
        width=settings.width if clips else settings.alpha,
        equalized=settings.appearance_scheme == 2,
        gain=settings.appearance_beta,
        table="V" if clips else "IV",
        dtype=settings.precision,
    )


def _geometry(settings: ModelConfig, side: int, clips: bool = False) -> GeometricGenerator:
    return GeometricGenerator(
        latent_dim=settings.geometry_dim,
        side=side,
        max_displacement=settings.max_displacement,
        equalized=settings.geometry_scheme == 2,
        gain=settings.geometry_beta,
        smoothing=settings.smoothing,
        table="V" if clips else "IV",
        width=settings.width if clips else 1.0,
        dtype=settings.precision,
    )


def _warping(
    settings: ModelConfig,
    appearance: AppearanceGenerator,
    geometry: GeometricGenerator | IntegratedGeometricGenerator,
) -> DeformableGenerator:
    """Two generators and the warp that combines them."""
    refinement = None
    if settings.refinement:
        side, channels = appearance.settings["side"], appearance.settings["channels"]
        refinement = Refinement(side, channels, settings.refinement, dtype=settings.precision)
    return DeformableGenerator(
        appearance,
        geometry,
        border=settings.border,
        fold_penalty=settings.fold_penalty,
        mean_penalty=settings.mean_penalty,
        variation_penalty=settings.variation_penalty,
        appearance_kind=settings.appearance,
        refinement=refinement,
    )


def _encoded(
    settings: ModelConfig,
    generator: PlainGenerator | DeformableGenerator,
    side: int,
    channels: int,
    variance: bool = True,
) -> EncodedGenerator:
    encoder = Encoder(
        generator.latent_dims,
        side,
        channels,
        settings.encoder_width,
        variance=variance,
        dtype=settings.precision,
    )
    return EncodedGenerator(generator, encoder)
