"""The deformable generator: appearance, displacement and the warp that combines them (Eq. 1)."""

from typing import Any

import keras
import tensorflow as tf

from dgn_tf.config import APPEARANCES
from dgn_tf.models.baselines.integrated import IntegratedGeometricGenerator
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.models.refinement import Refinement
from dgn_tf.ops.jacobian import displacement_jacobian
from dgn_tf.ops.regularizers import folding, mean_displacement, slope_variation
from dgn_tf.ops.warp import BORDERS, warp
from dgn_tf.types import Latents, Parts, Tensor

# A hyperbolic tangent beyond this counts as saturated: its slope has fallen below 2 %.
SATURATED = 0.99


@keras.saving.register_keras_serializable(package="dgn_tf")
class DeformableGenerator(keras.Model):
    """X = F_w(F_a(z_a), F_g(z_g)) (Eq. 1).

    Parts are made from latent groups: "appearance" is the canonical image [B, S, S, C] in
    [-1, 1], "geometry" the displacement [B, S, S, 2] in pixels.

    Args:
        appearance: an `AppearanceGenerator`.
        geometry: a `GeometricGenerator` of the same side, or an `IntegratedGeometricGenerator`.
        border: "edge" repeats the border of the canonical image, "zeros" is Eq. 4 to the letter.
        fold_penalty: weight of the folded part of the field in `regularization`.
        mean_penalty: weight of the mean displacement in `regularization`.
        variation_penalty: weight of the field's unevenness in `regularization`.
        appearance_kind: "continuous", z_a is normal; "label", one-hot, given and never inferred
            (Fig. 13); "categorical", one-hot with equal prior probabilities, and inferred.
        refinement: a `Refinement` of the warped image, or None.
        jit_compile_warp: whether XLA compiles the warp (see `warp`).

    Raises:
        ValueError: the two generators differ in side, or a choice is unknown.
    """

    def __init__(
        self,
        appearance: AppearanceGenerator,
        geometry: GeometricGenerator | IntegratedGeometricGenerator,
        border: str = "edge",
        fold_penalty: float = 0.0,
        mean_penalty: float = 0.0,
        variation_penalty: float = 0.0,
        appearance_kind: str = "continuous",
        refinement: Refinement | None = None,
        jit_compile_warp: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        sides = appearance.settings["side"], geometry.settings["side"]
        if sides[0] != sides[1]:
            raise ValueError(
                f"the generators' sides differ: appearance {sides[0]}, geometry {sides[1]}"
            )
        if appearance_kind not in APPEARANCES:
            raise ValueError(
                f"appearance_kind must be one of {', '.join(APPEARANCES)}; got {appearance_kind!r}"
            )
        if border not in BORDERS:
            raise ValueError(f"border must be one of {', '.join(BORDERS)}; got {border!r}")
        self.appearance = appearance
        self.geometry = geometry
        self.border = border
        self.fold_penalty = fold_penalty
        self.mean_penalty = mean_penalty
        self.variation_penalty = variation_penalty
        self.appearance_kind = appearance_kind
        self.refinement = refinement
        self.jit_compile_warp = jit_compile_warp
        self.built = True

    @property
    def latent_dims(self) -> dict[str, int]:
        """Length of each group's latent vector, in the order of the Langevin updates."""
        return {
            "appearance": self.appearance.settings["latent_dim"],
            "geometry": self.geometry.settings["latent_dim"],
        }

    @property
    def given_groups(self) -> tuple[str, ...]:
        """Groups whose latents come with the data, such as labels; never inferred."""
        return ("appearance",) if self.appearance_kind == "label" else ()

    @property
    def class_groups(self) -> tuple[str, ...]:
        """Groups whose latents are one-hot and are inferred by trying every class."""
        return ("appearance",) if self.appearance_kind == "categorical" else ()

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The networks by group; "refinement", if there is one, belongs to none."""
        networks = {"appearance": self.appearance, "geometry": self.geometry}
        return networks | ({"refinement": self.refinement} if self.refinement else {})

    def part(self, name: str, z: Tensor) -> Tensor:
        """The image or displacement [B, S, S, ...] that a group makes of its latents [B, d]."""
        return self.networks[name](z)

    def combine(self, parts: Parts) -> Tensor:
        """Eq. 3: the canonical image warped by the displacement, then refined, [B, S, S, C]."""
        warped = warp(
            parts["appearance"],
            parts["geometry"],
            border=self.border,
            jit_compile=self.jit_compile_warp,
        )
        return self.refinement(warped) if self.refinement else warped

    def call(self, latents: Latents) -> Tensor:
        """Images [B, S, S, C] in [-1, 1] of {"appearance": z_a, "geometry": z_g}."""
        return self.combine({name: self.part(name, latents[name]) for name in self.latent_dims})

    def regularization(self, parts: Parts) -> Tensor:
        """What the learning step adds to its loss, a scalar; 0 with all weights at 0 (the paper).

        The weighted sum of `folding`, `mean_displacement` and `slope_variation` of the field.
        """
        displacement = parts["geometry"]
        total = tf.zeros([])
        for weight, penalty in (
            (self.fold_penalty, folding),
            (self.mean_penalty, mean_displacement),
            (self.variation_penalty, slope_variation),
        ):
            if weight:
                total += weight * penalty(displacement)
        return total

    def diagnostics(self, parts: Parts) -> dict[str, Tensor]:
        """Scalars to watch: mean |displacement| in pixels, shares that are saturated or folded."""
        displacement = parts["geometry"]

        def saturated(share: Tensor) -> Tensor:
            return tf.reduce_mean(tf.cast(tf.abs(share) > SATURATED, tf.float32))

        return {
            "displacement": tf.reduce_mean(tf.norm(displacement, axis=-1)),
            "saturated_appearance": saturated(parts["appearance"]),
            "saturated_geometry": saturated(displacement / self.geometry.max_pixels),
            "folded": tf.reduce_mean(
                tf.cast(displacement_jacobian(displacement) <= 0.0, tf.float32)
            ),
        }

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this model again."""
        return {
            **super().get_config(),
            "appearance": keras.saving.serialize_keras_object(self.appearance),
            "geometry": keras.saving.serialize_keras_object(self.geometry),
            "border": self.border,
            "fold_penalty": self.fold_penalty,
            "mean_penalty": self.mean_penalty,
            "variation_penalty": self.variation_penalty,
            "appearance_kind": self.appearance_kind,
            "refinement": self.refinement and keras.saving.serialize_keras_object(self.refinement),
            "jit_compile_warp": self.jit_compile_warp,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DeformableGenerator":
        """The model of a `get_config`."""
        config = dict(config)
        for name in ("appearance", "geometry", "refinement"):
            if config[name]:
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
