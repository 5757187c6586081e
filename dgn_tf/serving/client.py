"""Ask a TF Serving server, by REST with nothing but NumPy, or by gRPC with the extra `serving`."""

import base64
import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from dgn_tf.utils.arrays import as_numbers, checked_images
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.network import is_loopback

# Inputs and outputs whose names end so are files.
_BYTES = "_bytes"
# Inputs that are images, in [0, 1].
_IMAGES = ("image", "clip")


class ServingError(RuntimeError):
    """The server cannot be reached, or refuses the request; the message is the server's own."""


class RestClient:
    """A model on a TF Serving server, by its REST interface.

    A proxy that the environment names (http_proxy, no_proxy) is asked for other machines only.

    Args:
        model: name it is served as.
        url: of the server's REST port.
        version: an integer; None for the newest that is served.
        timeout: seconds to wait for an answer.

    Raises:
        InputError: the address is none.
    """

    def __init__(
        self,
        model: str,
        url: str = "http://localhost:8501",
        version: int | None = None,
        timeout: float = 60.0,
    ):
        chosen = "" if version is None else f"/versions/{version}"
        url = url if "://" in url else f"http://{url}"
        self._model = f"{url.rstrip('/')}/v1/models/{model}"
        self._chosen = f"{self._model}{chosen}"
        # A proxy would look for a server on its own machine.
        direct = [urllib.request.ProxyHandler({})] if _is_here(url) else []
        self._opener = urllib.request.build_opener(*direct)
        self.timeout = timeout

    def predict(self, signature: str = "serving_default", **inputs: Any) -> dict[str, np.ndarray]:
        """The answer of a signature.

        Args:
            signature: for example "generate" or "reconstruct".
            **inputs: arrays and numbers by name, as MODEL_CARD.md lists them; all are needed.
                Images are floating in [0, 1]; an input whose name ends in _bytes is a list of the
                contents of files.

        Returns:
            {output: array}: float32, or for names that end in _bytes an object array of bytes.

        Raises:
            InputError: what is no number, images of another type or range, or files that are not
                bytes.
            ServingError: no server, or it refuses the request.
        """
        columns = {}
        for name, value in inputs.items():
            array = _checked(name, value)
            columns[name] = _encoded(array.tolist()) if array.dtype == object else array.tolist()
        body = {"signature_name": signature, "inputs": columns}
        answer = self._ask(":predict", ["outputs"], body)
        if not isinstance(answer, dict):
            # The name of a single output is left out; the server's metadata knows it.
            (name,) = self.metadata()[signature]["outputs"]
            answer = {name: answer}
        try:
            return {name: _array(name, value) for name, value in answer.items()}
        except (ValueError, TypeError, KeyError):
            raise self._stranger() from None

    def metadata(self) -> dict[str, dict[str, dict[str, Any]]]:
        """{signature: {"inputs": {name: ...}, "outputs": {name: ...}}}, as the server reports them.

        Raises:
            ServingError: no server, or it does not know the model.
        """
        return self._ask("/metadata", ["metadata", "signature_def", "signature_def"])

    def status(self) -> dict[str, str]:
        """{version: state} of the versions that the server knows, such as {"1": "AVAILABLE"}.

        Raises:
            ServingError: no server, or it does not know the model.
        """
        versions = self._ask("", ["model_version_status"])
        try:
            return {entry["version"]: entry["state"] for entry in versions}
        except (TypeError, KeyError):
            raise self._stranger() from None

    def _stranger(self) -> ServingError:
        return ServingError(
            f"what answers at {self._model} does not speak as TF Serving's REST port does, which "
            "is 8501 if nothing else is said."
        )

    def _ask(self, path: str, keys: list[str], body: dict[str, Any] | None = None) -> Any:
        """What an answer holds under some keys, one inside the other."""
        data = None if body is None else json.dumps(body).encode()
        try:
            request = urllib.request.Request(
                self._chosen + path, data, {"Content-Type": "application/json"}
            )
            with self._opener.open(request, timeout=self.timeout) as answer:
                found = json.load(answer)
            for key in keys:
                found = found[key]
            return found
        except urllib.error.HTTPError as error:
            raise ServingError(_message(error)) from None
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            raise ServingError(f"no answer from {self._model}: {reason}") from None
        except http.client.InvalidURL as error:
            raise ServingError(f"{self._model} is no address: {error}") from None
        except (http.client.HTTPException, ValueError, TypeError, KeyError):
            raise self._stranger() from None


class GrpcClient:
    """A model on a TF Serving server, by its gRPC interface: arrays travel as they are.

    Args:
        model: name it is served as.
        address: host and port.
        version: an integer; None for the newest that is served.
        timeout: seconds to wait for an answer.

    Raises:
        ImportError: the extra `serving` is not installed (`pip install "dgn_tf[serving]"`).
    """

    def __init__(
        self,
        model: str,
        address: str = "localhost:8500",
        version: int | None = None,
        timeout: float = 60.0,
    ):
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        # Images of a batch are larger than the 4 MiB that gRPC takes by default.
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        if _is_here(f"//{address}"):
            # gRPC asks a proxy, too.
            options.append(("grpc.enable_http_proxy", 0))
        self._channel = grpc.insecure_channel(address, options=options)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._model, self._version, self.timeout = model, version, timeout

    def predict(self, signature: str = "serving_default", **inputs: Any) -> dict[str, np.ndarray]:
        """The answer of a signature, as `RestClient.predict` gives it.

        Args:
            signature: for example "generate" or "reconstruct".
            **inputs: arrays, numbers and files by name, as of `RestClient.predict`.

        Returns:
            {output: array}.

        Raises:
            InputError: what is no number, images of another type or range, or files that are not
                bytes.
            ServingError: no server, or it refuses the request.
        """
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        if self._version is not None:
            request.model_spec.version.value = self._version
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(_typed(name, _checked(name, value))))
        try:
            answer = self._stub.Predict(request, timeout=self.timeout)
        except grpc.RpcError as error:
            # A failed call has details; its base class does not know.
            details = error.details()  # pyright: ignore[reportAttributeAccessIssue]
            raise ServingError(details) from None
        return {name: tf.make_ndarray(tensor) for name, tensor in answer.outputs.items()}

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def _is_here(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError as error:
        raise InputError(f"{url} is no address: {error}.") from None


def _checked(name: str, value: Any) -> np.ndarray:
    """An input as an array, of objects for files.

    Raises:
        InputError: it cannot be what its name says.
    """
    if name.endswith(_BYTES):
        # NumPy's own arrays of bytes lose zeros at the end of a file.
        files = np.array(value, object)
        if files.size == 0 or not all(isinstance(file, bytes) for file in files.flat):
            raise InputError(f"{name} must be a list of bytes, the contents of files.")
        return files
    array = as_numbers(name, value)
    return checked_images(name, array, [None] * array.ndim, 0, 1) if name in _IMAGES else array


def _encoded(files: Any) -> Any:
    """Contents of files, one or lists of them, as JSON has them."""
    if isinstance(files, bytes):
        return {"b64": base64.b64encode(files).decode()}
    return [_encoded(one) for one in files]


def _typed(name: str, array: np.ndarray) -> np.ndarray:
    """An input in the type that the server wants: unlike JSON, gRPC tells types apart."""
    if array.dtype == object:
        return array
    whole = {"steps": np.int32, "seed": np.int64}
    return array.astype(whole.get(name, np.float32))


def _array(name: str, value: list[Any]) -> np.ndarray:
    if not name.endswith(_BYTES):
        return np.asarray(value, np.float32)
    files = np.empty(len(value), object)
    files[:] = [base64.b64decode(file["b64"]) for file in value]
    return files


def _message(error: urllib.error.HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        return json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}: {text[:200]}"
