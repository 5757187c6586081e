"""Settings of the networks."""

import dataclasses

from dgn_tf.config.fields import (
    Typed,
    require,
    require_at_least,
    require_choice,
    require_not_negative,
    require_positive,
    setting,
)

CLIP_MODELS = ("dynamic", "mocogan")
ENCODED_MODELS = ("vae", "deformable_vae", "deforming_autoencoder")
MODELS = ("deformable", "abp", *ENCODED_MODELS, *CLIP_MODELS)
APPEARANCES = ("continuous", "label", "categorical")
BORDERS = ("edge", "zeros")
EMISSIONS = ("V", "IV")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclasses.dataclass(frozen=True)
class ModelConfig(Typed):
    """The networks (Tables IV and V), and what balances appearance and geometry (section 5.7)."""

    model: str = setting(
        "deformable",
        "deformable; abp, a plain generator without geometry; with an encoder: vae (plain), "
        "deformable_vae, deforming_autoencoder (Shu et al. 2018). For clips: dynamic; mocogan, a "
        "baseline without geometry (content and motion codes, Tulyakov et al. 2018).",
        MODELS,
    )
    appearance_dim: int = setting(64, "d_a, length of z_a; mocogan: of the content code.")
    geometry_dim: int = setting(64, "d_g, length of z_g; mocogan: of the motion code.")
    alpha: float = setting(
        0.625, "Filters per layer of the appearance generator over those of the geometric one."
    )
    appearance_scheme: int = setting(
        1,
        "Weights of the appearance generator: 1, as stored; 2, equalized at run time.",
        (1, 2),
    )
    geometry_scheme: int = setting(
        1,
        "Weights of the geometric generator: 1, as stored; 2, equalized at run time.",
        (1, 2),
    )
    appearance_beta: float = setting(1.0, "Gain of equalized weights, appearance generator.")
    geometry_beta: float = setting(0.3, "Gain of equalized weights, geometric generator.")
    appearance: str = setting(
        "continuous",
        "What z_a is: continuous, normal as in the paper; label, the one-hot label of each "
        "image, given and never inferred (Fig. 13); categorical, one of --appearance_dim "
        "classes, inferred without labels. The last two are for --model=deformable.",
        APPEARANCES,
    )
    precision: str = setting(
        "float32",
        "Of the generators, encoder and discriminator: float32, or mixed_bfloat16 or mixed_float16 "
        "on hardware that has them. Warp, latents, energy and loss are float32.",
        PRECISIONS,
    )
    max_displacement: float = setting(
        20 / 64, "Bound of the displacement as a fraction of the side."
    )
    smoothing: float = setting(
        0.0,
        "Standard deviation of a Gaussian filter on the displacement, as a fraction of the side.",
    )
    border: str = setting(
        "edge", "Outside the canonical image: edge repeats its border, zeros is Eq. 4.", BORDERS
    )
    fold_penalty: float = setting(
        0.0, "Weight of the penalty on folded cells of the field in the loss."
    )
    mean_penalty: float = setting(0.0, "Weight of the penalty on the mean displacement.")
    variation_penalty: float = setting(
        0.0, "Weight of the penalty on the total variation of the field's slopes."
    )
    refinement: float = setting(
        0.0,
        "Most that a small network may add to a pixel after the warp (Fig. 1), as a fraction of "
        "the range of values, at most 0.25; 0 for no such network. For --model=deformable.",
    )
    encoder_width: float = setting(
        1.0, "Filters per layer of an encoder, over those of the geometric generator."
    )
    width: float = setting(1.0, "Clips: filters per layer over those of Table V.")
    appearance_noise_dim: int = setting(3, "dynamic: length of the appearance's noise xi.")
    geometry_noise_dim: int = setting(
        10, "Clips: length of the geometry's (mocogan: the motion's) noise xi."
    )
    residual: bool = setting(False, "dynamic: transitions add to the state before their tanh.")
    frames_per_chunk: int = setting(
        0,
        "Clips: frames that keep activations for the gradient; others are recomputed. 0: all.",
    )
    emission: str = setting(
        "V",
        "dynamic: the generators of a frame: V, of Table V (--width); IV, those of images (Table "
        "IV, --alpha), which --init_from can take from a run on stills.",
        EMISSIONS,
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        require_choice(self, "model", "precision", "appearance", "border", "emission")
        require_choice(self, "appearance_scheme", "geometry_scheme")
        dims = ("appearance_dim", "geometry_dim", "appearance_noise_dim", "geometry_noise_dim")
        require_at_least(1, self, *dims)
        require_positive(self, "alpha", "appearance_beta", "geometry_beta", "max_displacement")
        require_positive(self, "encoder_width", "width")
        require(0 <= self.refinement <= 0.25, "refinement", self.refinement, "in [0, 0.25]")
        require_not_negative(self, "smoothing", "frames_per_chunk")
        require_not_negative(self, "fold_penalty", "mean_penalty", "variation_penalty")
