"""The layers of a network."""

import keras


def leaf_layers(network: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a network and of the networks inside it, in their order."""
    return [
        leaf
        for layer in network.layers
        for leaf in (leaf_layers(layer) if isinstance(layer, keras.Model) else [layer])
    ]
