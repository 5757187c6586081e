"""The two generators (Tables IV and V): latent vectors to canonical image and displacement."""

from typing import Any

import keras

from dgn_tf.models.decoders import decoder_network, table_iv, table_v_appearance, table_v_geometry
from dgn_tf.ops.smoothing import gaussian_matrix, smooth
from dgn_tf.types import Tensor

TABLES = ("IV", "V")


@keras.saving.register_keras_serializable(package="dgn_tf")
class AppearanceGenerator(keras.Model):
    """F_a of Eq. 1: z_a [B, latent_dim] to the canonical image.

    The image is [B, side, side, channels] in [-1, 1].

    Args:
        latent_dim: d_a, length of z_a.
        side: side of the image in pixels: 32, 64, 128 or 256.
        channels: 1 (gray) or 3 (RGB).
        width: filters per layer over those of the table, any positive number (the paper's alpha,
            section 5.7: over those of the geometric generator).
        equalized: False, weights as stored (truncated normal start, 0.1), the paper's scheme 1;
            True, N(0, 1) weights scaled at run time by gain * sqrt(2 / fan_in), its scheme 2.
        gain: the paper's beta, factor of equalized weights; without effect on others.
        table: "IV", the layers for images; "V", those for clips, side 32 or 64.

    Raises:
        ValueError: a setting outside what is stated above.
    """

    def __init__(
        self,
        latent_dim: int = 64,
        side: int = 64,
        channels: int = 3,
        width: float = 0.625,
        equalized: bool = False,
        gain: float = 1.0,
        table: str = "IV",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        _check_table(table)
        self.settings = {
            "latent_dim": latent_dim,
            "side": side,
            "channels": channels,
            "width": width,
            "equalized": equalized,
            "gain": gain,
            "table": table,
        }
        layers = (table_iv if table == "IV" else table_v_appearance)(side, channels, width)
        self.decoder = decoder_network(latent_dim, layers, equalized, gain, self.dtype_policy)
        self.built = True

    def call(self, z_a: Tensor) -> Tensor:
        """Canonical image [B, S, S, C] of z_a [B, d_a]."""
        return self.decoder(z_a)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this generator again."""
        return {**super().get_config(), **self.settings}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AppearanceGenerator":
        """The generator of a `get_config`, of this version or of 0.1."""
        return cls(**_renamed(config))


@keras.saving.register_keras_serializable(package="dgn_tf")
class GeometricGenerator(keras.Model):
    """F_g of Eq. 1: z_g [B, latent_dim] to the displacement.

    The displacement is (dx, dy) [B, side, side, 2] in pixels.

    Args:
        latent_dim: d_g, length of z_g.
        side: side of the field in pixels: 32, 64, 128 or 256.
        max_displacement: bound of |dx| and |dy| as a fraction of the side: 20/64 by default.
        equalized: False, weights as stored (truncated normal start, 0.1), the paper's scheme 1;
            True, N(0, 1) weights scaled at run time by gain * sqrt(2 / fan_in), its scheme 2.
        gain: the paper's beta, factor of equalized weights (0.3 for video); without effect on
            others.
        smoothing: standard deviation of a Gaussian filter on the field, as a fraction of the side;
            0 for none, as in the paper. A smooth field hardly folds and leaves details to the
            appearance generator.
        table: "IV", the layers for images; "V", those for clips, side 32 or 64.
        width: filters per layer over those of the table.

    Raises:
        ValueError: a setting outside what is stated above.
    """

    def __init__(
        self,
        latent_dim: int = 64,
        side: int = 64,
        max_displacement: float = 20 / 64,
        equalized: bool = False,
        gain: float = 0.3,
        smoothing: float = 0.0,
        table: str = "IV",
        width: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        _check_table(table)
        if max_displacement <= 0 or smoothing < 0:
            raise ValueError(
                "max_displacement must be above 0 and smoothing at least 0, "
                f"got {max_displacement}, {smoothing}"
            )
        self.settings = {
            "latent_dim": latent_dim,
            "side": side,
            "max_displacement": max_displacement,
            "equalized": equalized,
            "gain": gain,
            "smoothing": smoothing,
            "table": table,
            "width": width,
        }
        self.filter = gaussian_matrix(side, smoothing * side) if smoothing else None
        self.max_pixels = max_displacement * side
        layers = table_iv(side, 2, width) if table == "IV" else table_v_geometry(side, width)
        self.decoder = decoder_network(latent_dim, layers, equalized, gain, self.dtype_policy)
        self.built = True

    def call(self, z_g: Tensor) -> Tensor:
        """Displacement [B, S, S, 2] of z_g [B, d_g], in pixels."""
        displacement = self.max_pixels * self.decoder(z_g)
        return displacement if self.filter is None else smooth(displacement, self.filter)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this generator again."""
        return {**super().get_config(), **self.settings}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GeometricGenerator":
        """The generator of a `get_config`, of this version or of 0.1."""
        return cls(**_renamed(config))


def _check_table(table: str) -> None:
    if table not in TABLES:
        raise ValueError(f"table must be one of {', '.join(TABLES)}, got {table!r}")


def _renamed(config: dict[str, Any]) -> dict[str, Any]:
    """Settings by the names of today: version 0.1 wrote the paper's alpha, beta and scheme."""
    config = dict(config)
    for old, new in (("alpha", "width"), ("beta", "gain")):
        if old in config:
            config[new] = config.pop(old)
    if "scheme" in config:
        scheme = config.pop("scheme")
        if scheme not in (1, 2):
            raise ValueError(f"scheme must be 1 or 2, got {scheme}")
        config["equalized"] = scheme == 2
    return config
