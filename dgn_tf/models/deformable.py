"""The deformable generator: appearance, displacement and the warp that combines them (Eq. 1)."""

import keras
import tensorflow as tf

from dgn_tf.config import APPEARANCES
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.models.refinement import Refinement
from dgn_tf.ops.cross_replica import batch_mean
from dgn_tf.ops.jacobian import displacement_jacobian
from dgn_tf.ops.regularizers import slope_variation
from dgn_tf.ops.warp import BORDERS, warp

# A hyperbolic tangent beyond this counts as saturated: its slope has fallen below 2 %.
SATURATED = 0.99


@keras.saving.register_keras_serializable(package="dgn_tf")
class DeformableGenerator(keras.Model):
    """X = F_w(F_a(z_a), F_g(z_g)) (Eq. 1).

    Parts are made from latent groups: "appearance" is the canonical image [B, S, S, C] in
    [-1, 1], "geometry" the displacement [B, S, S, 2] in pixels.

    Args:
        appearance: an `AppearanceGenerator`.
        geometry: a `GeometricGenerator` of the same side.
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
        geometry: GeometricGenerator,
        border: str = "edge",
        fold_penalty: float = 0.0,
        mean_penalty: float = 0.0,
        variation_penalty: float = 0.0,
        appearance_kind: str = "continuous",
        refinement: Refinement | None = None,
        jit_compile_warp: bool = True,
        **kwargs,
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
    def latent_dims(self):
        """Length of each group's latent vector, in the order of the Langevin updates."""
        return {
            "appearance": self.appearance.settings["latent_dim"],
            "geometry": self.geometry.settings["latent_dim"],
        }

    @property
    def given_groups(self):
        """Groups that come with the data instead of being inferred."""
        return ("appearance",) if self.appearance_kind == "label" else ()

    @property
    def class_groups(self):
        """Groups whose latents are one-hot and inferred by trying every class."""
        return ("appearance",) if self.appearance_kind == "categorical" else ()

    @property
    def networks(self):
        """The networks by group; "refinement", if there is one, belongs to none."""
        networks = {"appearance": self.appearance, "geometry": self.geometry}
        return networks | ({"refinement": self.refinement} if self.refinement else {})

    def part(self, name, z):
        """The part of one group: `z` [B, d] to an image or a displacement."""
        return self.networks[name](z)

    def combine(self, parts):
        """Eq. 3: the canonical image warped by the displacement, and refined: [B, S, S, C]."""
        warped = warp(
            parts["appearance"],
            parts["geometry"],
            border=self.border,
            jit_compile=self.jit_compile_warp,
        )
        return self.refinement(warped) if self.refinement else warped

    def call(self, latents):
        """Images [B, S, S, C] in [-1, 1] of {"appearance": z_a, "geometry": z_g}."""
        return self.combine({name: self.part(name, latents[name]) for name in self.latent_dims})

    def regularization(self, parts):
        """What the learning step adds to its loss, a scalar; 0 with all weights at 0 (the paper).

        Remedies for a geometric generator that explains everything (section 5.7). The fold
        penalty is the mean over cells and batch of max(0, 0.1 - J)^2, J the determinant of the
        field's Jacobian: zero on fields that do not fold. The mean penalty is the squared length
        of the batch's mean displacement, as a fraction of the side, averaged over the pixels: it
        makes the canonical image stand at the average geometry and leaves single fields free. The
        variation penalty is the mean |second difference| of the field in pixels, over both axes
        twice: the total variation of the field's slopes (Shu et al. 2018).
        """
        displacement = parts["geometry"]
        total = tf.zeros([])
        if self.fold_penalty:
            folded = tf.nn.relu(0.1 - displacement_jacobian(displacement))
            total += self.fold_penalty * tf.reduce_mean(tf.square(folded))
        if self.mean_penalty:
            shift = batch_mean(displacement) / displacement.shape[1]
            total += self.mean_penalty * tf.reduce_mean(tf.reduce_sum(tf.square(shift), axis=-1))
        if self.variation_penalty:
            total += self.variation_penalty * slope_variation(displacement)
        return total

    def diagnostics(self, parts):
        """Scalars to watch: mean |displacement| in pixels, shares of saturation and of folding."""
        displacement = parts["geometry"]

        def saturated(share):
            return tf.reduce_mean(tf.cast(tf.abs(share) > SATURATED, tf.float32))

        return {
            "displacement": tf.reduce_mean(tf.norm(displacement, axis=-1)),
            "saturated_appearance": saturated(parts["appearance"]),
            "saturated_geometry": saturated(displacement / self.geometry.max_pixels),
            "folded": tf.reduce_mean(
                tf.cast(displacement_jacobian(displacement) <= 0.0, tf.float32)
            ),
        }

    def get_config(self):
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
    def from_config(cls, config):
        """The model of a `get_config`."""
        config = dict(config)
        for name in ("appearance", "geometry", "refinement"):
            if config[name]:
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
