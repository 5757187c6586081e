"""Features of faces, for KID: what MTCNN's last network sees in an image."""

import logging
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from dgn_tf.data.examples import as_bytes

_log = logging.getLogger(__name__)

NAME = "features of MTCNN's O-Net"
HINT = 'KID needs the package mtcnn: pip install "dgn_tf[faces]".'
_SIDE = 48
_BATCH = 256

FaceFeatures = Callable[[np.ndarray], np.ndarray]


def load_face_features() -> FaceFeatures | None:
    """The penultimate layer of MTCNN's O-Net, whose weights come with the package.

    The Inception network of the usual KID is no part of any package, and these 256 numbers know
    faces alone: distances between them compare with each other, not with published ones.

    Returns:
        A function from images [N, S, S, C], uint8 or floats in [-1, 1], to float32 [N, 256];
        None, and one warning, where the package is not installed.
    """
    try:
        from mtcnn.network.onet import ONet
        from mtcnn.utils.tensorflow import load_weights
    except ImportError as error:
        _log.warning("%s (%s)", HINT, error)
        return None
    network = ONet()
    network.build()
    network.set_weights(load_weights("onet.lz4"))

    def features(images: np.ndarray) -> np.ndarray:
        # Images are made of bytes: floats are rounded to what a file would hold.
        images = images if images.dtype == np.uint8 else as_bytes(images)
        pieces = [images[k : k + _BATCH] for k in range(0, len(images), _BATCH)]
        return np.concatenate([_penultimate(network, piece).numpy() for piece in pieces])

    return features


def _penultimate(network, images: np.ndarray) -> tf.Tensor:
    x = np.broadcast_to(images, (*images.shape[:-1], 3))
    x = tf.image.resize(tf.cast(x, tf.float32), (_SIDE, _SIDE), antialias=True)
    # As mtcnn.utils.images.normalize_images.
    x = (x - 127.5) / 128.0
    for layer in network.layers:
        x = layer(x)
        if layer is network.prelu5:
            return x
    raise AssertionError("this version of mtcnn has another O-Net")
