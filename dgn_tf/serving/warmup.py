"""Requests that TF Serving answers to itself before it lets others ask."""

import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

# {signature: {input: array}}.
Requests = Mapping[str, Mapping[str, np.ndarray]]


def write_warmup(path: str | os.PathLike, model_name: str, requests: Requests) -> None:
    """Write a TFRecord file of `tensorflow.serving.PredictionLog` messages.

    The messages are put together here, field by field, so that an export needs no other package
    than TensorFlow; tests read them with the official ones.

    Args:
        path: VERSION/assets.extra/tf_serving_warmup_requests.
        model_name: name under which the model is served.
        requests: one for each signature.
    """
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            writer.write(_prediction_log(model_name, signature, inputs))


def _prediction_log(model_name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    # PredictionLog.predict_log (6) . request (1); ModelSpec: name (1), signature_name (3).
    spec = _field(1, model_name.encode()) + _field(3, signature.encode())
    request = _field(1, spec)
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        # An entry of PredictRequest.inputs (2), a map: key (1), value (2).
        request += _field(2, _field(1, name.encode()) + _field(2, tensor))
    return _field(6, _field(1, request))


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of a protocol buffer message."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
