"""The networks of a generator as a table of text."""

from typing import TYPE_CHECKING

from dgn_tf.evaluation.report import Table, table_text

if TYPE_CHECKING:
    from dgn_tf.api.generator import Generator


def summary_of(model: "Generator") -> str:
    """The networks with their latents and parameters, and how to see their layers."""
    network, encoder = model.network, model.encoder
    networks = dict(network.networks) | ({} if encoder is None else {"encoder": encoder})
    counts = {name: each.count_params() for name, each in networks.items()}
    dims = network.latent_dims
    rows = [(name, dims.get(name), f"{count:,}") for name, count in counts.items()]
    rows.append(("all", sum(dims.values()), f"{sum(counts.values()):,}"))
    table = Table(f"{model!r}", ("network", "latents", "parameters"), tuple(rows))
    places = {name: f'network.networks["{name}"]' for name in network.networks}
    if encoder is not None:
        places["encoder"] = "encoder"
    layers = ", ".join(f"model.{place}.summary()" for place in places.values())
    return f"{table_text(table)}\nLayers: {layers}"
