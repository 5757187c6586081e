"""The two generators (Tables IV and V): latent vectors to canonical image and displacement."""

import keras

from dgn_tf.models.decoders import decoder_network, table_iv, table_v_appearance, table_v_geometry
from dgn_tf.ops.smoothing import gaussian_matrix, smooth

TABLES = ("IV", "V")


def _check_table(table):
    if table not in TABLES:
        raise ValueError(f"table must be one of {', '.join(TABLES)}, got {table!r}")


@keras.saving.register_keras_serializable(package="dgn_tf")
class AppearanceGenerator(keras.Model):
    """F_a of Eq. 1: z_a [B, latent_dim] to the canonical image.

    The image is [B, side, side, channels] in [-1, 1].

    Args:
        latent_dim: d_a, length of z_a.
        side: side of the image in pixels: 32, 64, 128 or 256.
        channels: 1 (gray) or 3 (RGB).
        alpha: filters per layer over those of the geometric generator, any positive number (section
            5.7, scheme 1).
        scheme: 1, weights as stored (truncated normal start, 0.1); 2, N(0, 1) weights scaled at run
            time by beta * sqrt(2 / fan_in).
        beta: factor of scheme 2; without effect on scheme 1.
        table: "IV", the layers for images; "V", those for clips, side 32 or 64, where alpha is
            the filters per layer over those of the table.

    Raises:
        ValueError: a setting outside what is stated above.
    """

    def __init__(
        self,
        latent_dim=64,
        side=64,
        channels=3,
        alpha=0.625,
        scheme=1,
        beta=1.0,
        table="IV",
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_table(table)
        self.settings = {
            "latent_dim": latent_dim,
            "side": side,
            "channels": channels,
            "alpha": alpha,
            "scheme": scheme,
            "beta": beta,
            "table": table,
        }
        layers = (table_iv if table == "IV" else table_v_appearance)(side, channels, alpha)
        self.decoder = decoder_network(latent_dim, layers, scheme, beta, self.dtype_policy)
        self.built = True

    def call(self, z_a):
        """Canonical image of z_a."""
        return self.decoder(z_a)

    def get_config(self):
        """Arguments that make this generator again."""
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable(package="dgn_tf")
class GeometricGenerator(keras.Model):
    """F_g of Eq. 1: z_g [B, latent_dim] to the displacement.

    The displacement is (dx, dy) [B, side, side, 2] in pixels.

    Args:
        latent_dim: d_g, length of z_g.
        side: side of the field in pixels: 32, 64, 128 or 256.
        max_displacement: bound of |dx| and |dy| as a fraction of the side: 20/64 by default.
        scheme: 1, weights as stored (truncated normal start, 0.1); 2, N(0, 1) weights scaled at run
            time by beta * sqrt(2 / fan_in).
        beta: factor of scheme 2 (the paper: 0.3 for video); without effect on scheme 1.
        smoothing: standard deviation of a Gaussian filter on the field, as a fraction of the side;
            0 for none, as the paper. A smooth field hardly folds and leaves details to the
            appearance generator.
        table: "IV", the layers for images; "V", those for clips, side 32 or 64.
        width: filters per layer over those of the table.

    Raises:
        ValueError: a setting outside what is stated above.
    """

    def __init__(
        self,
        latent_dim=64,
        side=64,
        max_displacement=20 / 64,
        scheme=1,
        beta=0.3,
        smoothing=0.0,
        table="IV",
        width=1.0,
        **kwargs,
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
            "scheme": scheme,
            "beta": beta,
            "smoothing": smoothing,
            "table": table,
            "width": width,
        }
        self.filter = gaussian_matrix(side, smoothing * side) if smoothing else None
        self.max_pixels = max_displacement * side
        layers = table_iv(side, 2, width) if table == "IV" else table_v_geometry(side, width)
        self.decoder = decoder_network(latent_dim, layers, scheme, beta, self.dtype_policy)
        self.built = True

    def call(self, z_g):
        """Displacement of z_g, in pixels."""
        displacement = self.max_pixels * self.decoder(z_g)
        return displacement if self.filter is None else smooth(displacement, self.filter)

    def get_config(self):
        """Arguments that make this generator again."""
        return {**super().get_config(), **self.settings}
