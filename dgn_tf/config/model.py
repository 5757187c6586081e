"""Settings of the networks."""

import dataclasses

from dgn_tf.config.fields import require, setting

CLIP_MODELS = ("dynamic", "mocogan")
ENCODED_MODELS = ("vae", "deformable_vae", "deforming_autoencoder")
MODELS = (
    "deformable",
    "abp",
    *ENCODED_MODELS,
    *CLIP_MODELS,
)
APPEARANCES = ("continuous", "label", "categorical")
BORDERS = ("edge", "zeros")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The generators (Table IV) and how they share the work (section 5.7)."""

    model: str = setting(
        "deformable",
        "deformable; abp, the plain generator without geometry; or, learned with an encoder: vae "
        "(plain), deformable_vae, deforming_autoencoder (Shu et al. 2018). Of clips: dynamic; "
        "mocogan, a rival without geometry (content and motion codes, Tulyakov et al. 2018).",
        MODELS,
    )
    appearance_dim: int = setting(64, "d_a, length of z_a; mocogan: of the content code.")
    geometry_dim: int = setting(64, "d_g, length of z_g; mocogan: of the motion code.")
    alpha: float = setting(
        0.625, "Filters per layer, appearance over geometric generator (scheme 1)."
    )
    appearance_scheme: int = setting(
        1, "Weights of the appearance generator: 1 as stored, 2 scaled at run time.", (1, 2)
    )
    geometry_scheme: int = setting(
        1, "Weights of the geometric generator: 1 as stored, 2 scaled at run time.", (1, 2)
    )
    appearance_beta: float = setting(1.0, "Factor of scheme 2 on the appearance weights.")
    geometry_beta: float = setting(0.3, "Factor of scheme 2 on the geometric weights.")
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
        "Gaussian filter on the displacement, its standard deviation as a fraction of the side.",
    )
    border: str = setting(
        "edge", "Outside the canonical image: edge repeats its border, zeros is Eq. 4.", BORDERS
    )
    fold_penalty: float = setting(
        0.0, "Weight on the folded part of the field in the learning loss."
    )
    mean_penalty: float = setting(0.0, "Weight on the mean displacement in the learning loss.")
    variation_penalty: float = setting(
        0.0, "Weight on the total variation of the field's slopes in the learning loss."
    )
    refinement: float = setting(
        0.0,
        "Bound of what a small network may add to a pixel after the warp (Fig. 1), as a fraction "
        "of the range of values, at most 0.25; 0 for no such network. For --model=deformable.",
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
        0, "Clips: frames of a clip kept for the gradient, the others computed anew; 0 for all."
    )

    def __post_init__(self):
        """Check the ranges."""
        require(self.model in MODELS, "model", self.model, f"one of {MODELS}")
        require(self.precision in PRECISIONS, "precision", self.precision, f"one of {PRECISIONS}")
        require(
            self.appearance in APPEARANCES, "appearance", self.appearance, f"one of {APPEARANCES}"
        )
        require(self.border in BORDERS, "border", self.border, f"one of {BORDERS}")
        for name in (
            "appearance_dim",
            "geometry_dim",
            "appearance_noise_dim",
            "geometry_noise_dim",
        ):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in (
            "alpha",
            "appearance_beta",
            "geometry_beta",
            "max_displacement",
            "encoder_width",
            "width",
        ):
            require(
                0 < getattr(self, name) < float("inf"),
                name,
                getattr(self, name),
                "above 0 and finite",
            )
        require(0 <= self.refinement <= 0.25, "refinement", self.refinement, "in [0, 0.25]")
        for name in ("appearance_scheme", "geometry_scheme"):
            require(getattr(self, name) in (1, 2), name, getattr(self, name), "1 or 2")
        for name in (
            "smoothing",
            "fold_penalty",
            "mean_penalty",
            "variation_penalty",
            "frames_per_chunk",
        ):
            require(0 <= getattr(self, name) < float("inf"), name, getattr(self, name), "0 or more")
