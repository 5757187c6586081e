"""Clients against servers that speak TF Serving's own protocols and run an exported model."""

import base64
import concurrent.futures
import contextlib
import http.server
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dgn_tf.serving.client import GrpcClient, RestClient, ServingError
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.images import png_bytes

Z = {
    "z_appearance": np.float32([[0.5, -1, 2], [0, 0, 0]]),
    "z_geometry": np.float32([[1, 1], [0, 2]]),
}


def predict(serve, name, inputs):
    """What a server does with a request, whichever protocol brought it: outputs by name.

    ValueError or an error of TensorFlow for what cannot be answered.
    """
    if name not in serve.signatures:
        raise ValueError(f'Serving signature name: "{name}" not found in signature def')
    missing = set(serve.signatures[name].inputs) - set(inputs)
    if missing:
        raise ValueError(f"Missing named input: {missing.pop()} in 'inputs' object.")
    return serve(name, inputs)


def rest_answer(serve, body):
    """The answer of POST :predict to a request with "inputs"."""
    name = body["signature_name"]
    types = {key: tf.DType(i.dtype) for key, i in serve.signatures[name].inputs.items()}
    inputs = {
        key: np.array([base64.b64decode(file["b64"]) for file in value], object)
        if types[key] == tf.string
        else np.array(value, types[key].as_numpy_dtype)
        for key, value in body["inputs"].items()
    }
    outputs = {
        key: [{"b64": base64.b64encode(file).decode()} for file in value]
        if key.endswith("_bytes")
        else value.tolist()
        for key, value in predict(serve, name, inputs).items()
    }
    # The name of a single output is left out.
    return {"outputs": outputs if len(outputs) > 1 else outputs.popitem()[1]}


@contextlib.contextmanager
def rest_server(serve, model):
    """The URL of a server that has a SavedModel as version 1 of `model`."""
    path = f"/v1/models/{model}"

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, content):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(
                content if isinstance(content, bytes) else json.dumps(content).encode()
            )

        def do_GET(self):
            if self.path == f"{path}/metadata":
                sides = {
                    name: {"inputs": dict.fromkeys(s.inputs), "outputs": dict.fromkeys(s.outputs)}
                    for name, s in serve.signatures.items()
                }
                self.answer(200, {"metadata": {"signature_def": {"signature_def": sides}}})
            elif self.path == path:
                state = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK"}}
                self.answer(200, {"model_version_status": [state]})
            else:
                self.answer(502, b"<html>no gateway</html>")

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = (f"{path}:predict", f"{path}/versions/1:predict")
            if self.path not in known:
                self.answer(404, {"error": f"Could not find any versions of model {self.path}"})
                return
            try:
                self.answer(200, rest_answer(serve, body))
            except (ValueError, tf.errors.InvalidArgumentError) as error:
                self.answer(400, {"error": str(error)})

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def rest(serve):
    with rest_server(serve, "heads") as url:
        yield url


@pytest.fixture(scope="module")
def grpc_address(serve):
    """Host and port of an in-process server on the official stubs."""
    grpc = pytest.importorskip("grpc")
    pytest.importorskip("tensorflow_serving")
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            spec = request.model_spec
            if spec.name != "heads" or spec.version.value not in (0, 1):
                context.abort(
                    grpc.StatusCode.NOT_FOUND,
                    f"Servable not found for request: {spec.name} {spec.version.value}",
                )
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            try:
                outputs = predict(serve, spec.signature_name, inputs)
            except (ValueError, tf.errors.InvalidArgumentError) as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            answer = predict_pb2.PredictResponse()
            for key, value in outputs.items():
                answer.outputs[key].CopyFrom(tf.make_tensor_proto(value))
            return answer

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture(params=["REST", "gRPC"])
def client(request):
    if request.param == "REST":
        yield lambda model="heads", **more: RestClient(
            model, request.getfixturevalue("rest"), **more
        )
        return
    made = []

    def connect(model="heads", **more):
        made.append(GrpcClient(model, request.getfixturevalue("grpc_address"), **more))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def test_answers_are_those_of_the_keras_model(client, served):
    parts = {n: served.model.part(n, tf.constant(Z[f"z_{n}"])) for n in served.model.latent_dims}
    for given in ({}, {"version": 1}):
        answer = client(**given).predict(**Z)
        assert set(answer) == {"image", "canonical", "displacement"}
        image = (served.model.combine(parts) + 1) / 2
        np.testing.assert_allclose(answer["image"], image, atol=1e-5)
        assert answer["displacement"].dtype == np.float32
        np.testing.assert_allclose(answer["displacement"], parts["geometry"], atol=1e-5)


def test_a_single_output_has_its_name(client, served):
    answer = client().predict("displacement", z_geometry=Z["z_geometry"])
    field = served.model.part("geometry", tf.constant(Z["z_geometry"]))
    np.testing.assert_allclose(answer["displacement"], field, atol=1e-5)


def test_images_come_as_files(client, served):
    files = client().predict("generate_png", **Z)["image_bytes"]
    image = 255 * (served.model({n: Z[f"z_{n}"] for n in served.model.latent_dims}) + 1) / 2
    for file, pixels in zip(files, image.numpy(), strict=True):
        assert np.abs(tf.io.decode_png(file).numpy() - pixels).max() < 0.501


def test_numbers_have_the_kinds_that_the_model_wants(client):
    image = np.full([1, 32, 32, 3], 0.5)
    answer = client().predict("reconstruct", image=image, steps=10, step_size=0, sigma=0, seed=3)
    assert answer["error"].shape == (1,) and np.isfinite(answer["error"]).all()


def test_images_go_as_files(client, served):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    # Zeros at the end belong to the file, though no image needs them.
    files = [png_bytes(image) + bytes(3) for image in pixels]
    numbers = {"steps": 10, "step_size": 0, "sigma": 0, "seed": -1}
    found = client().predict("reconstruct_bytes", image_bytes=files, **numbers)
    wanted = client().predict("reconstruct", image=pixels / 255, **numbers)
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-4)
    still = {"z_geometry": Z["z_geometry"]}
    found = client().predict("warp_bytes", image_bytes=files, **still)["warped_bytes"]
    wanted = client().predict("warp", image=pixels / 255, **still)["warped"]
    for file, image in zip(found, wanted, strict=True):
        assert np.abs(np.float32(tf.io.decode_png(file)) - 255 * image).max() < 0.501
    with pytest.raises(ServingError, match="files must be JPEG or PNG images"):
        client().predict("warp_bytes", image_bytes=[b"GIF89a", files[0]], **still)
    for wrong in (["head.png"], [], pixels):
        with pytest.raises(InputError, match="image_bytes must be a list of bytes"):
            client().predict("warp_bytes", image_bytes=wrong, **still)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (
            np.zeros((1, 8, 8, 3), np.uint8),
            r"image must be floating numbers in \[0, 1\], not uint8",
        ),
        (np.full((1, 8, 8, 3), -1.0), "these go from -1 to -1"),
        (np.full((1, 8, 8, 3), np.nan), "image must be finite"),
        (["a.png"], "image must be numbers, not <U5"),
        ([np.zeros((8, 8, 3)), np.zeros((9, 8, 3))], "image has parts of different shapes"),
    ],
)
def test_images_that_are_none_are_not_sent(client, image, said):
    with pytest.raises(InputError, match=said):
        client().predict("warp", image=image, z_geometry=np.zeros([1, 2]))


@pytest.mark.parametrize(
    ("z", "said"),
    [
        (None, "not object"),
        ("ann.npz", "not <U7"),
        (np.zeros((1, 2), complex), "not complex128"),
        ([1, None], "not object"),
        (2**70, "not object"),
        ([[1, 2], [3]], "z_geometry has parts of different shapes"),
    ],
)
def test_what_is_no_number_is_not_sent(client, z, said):
    with pytest.raises(InputError, match=said):
        client().predict("displacement", z_geometry=z)


def test_refusals_are_told_in_the_servers_words(client):
    with pytest.raises(ServingError, match=r"z_geometry must have shape \[any, 2\]"):
        client().predict("displacement", z_geometry=np.zeros([1, 3]))
    with pytest.raises(ServingError, match="z_appearance must be finite"):
        client().predict(**{**Z, "z_appearance": np.full([2, 3], np.nan)})
    with pytest.raises(ServingError, match="steps must be from 1 to 2000"):
        client().predict(
            "reconstruct", image=np.zeros([1, 32, 32, 3]), steps=10**9, step_size=0, sigma=0, seed=0
        )
    with pytest.raises(ServingError, match="Missing named input: z_geometry"):
        client().predict("generate", z_appearance=Z["z_appearance"])
    with pytest.raises(ServingError, match="not found|Could not find"):
        client("tails").predict(**Z)
    assert client().predict(**Z)["image"].shape == (2, 32, 32, 3)


def test_rest_knows_what_is_served(rest):
    client = RestClient("heads", rest + "/")
    assert client.status() == {"1": "AVAILABLE"}
    assert set(client.metadata()["warp"]["inputs"]) == {"image", "z_geometry"}
    with pytest.raises(ServingError, match="502 Bad Gateway: <html>no gateway"):
        RestClient("tails", rest).status()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{"model_version_status": [1]}',
        # As the gRPC port of the same server answers.
        b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d",
    ],
)
def test_what_is_no_server_of_models_is_said_to_be_none(answer):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply():
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        # People leave http:// out.
        client = RestClient("heads", f"127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(ServingError, match="does not speak as TF Serving's REST port"):
            client.status()
        thread.join()


def test_an_address_that_is_none_is_named():
    with pytest.raises(ServingError, match="http://localhost:85O1/v1.* is no address"):
        RestClient("heads", "localhost:85O1").status()


@pytest.mark.parametrize("url", ["http://[::1", "[1:8501"])
def test_an_address_with_half_a_bracket_is_named(url):
    with pytest.raises(InputError, match=r"\[.* is no address"):
        RestClient("heads", url)


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(ServingError, match="no answer from http://127.0.0.1:9/v1/models/heads"):
        RestClient("heads", "http://127.0.0.1:9").status()


@pytest.fixture
def proxy():
    """The address of a proxy that knows no server, and the requests that it was sent."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(502, "no such host")

        do_POST = do_CONNECT = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_proxy_is_asked_for_other_machines_only(client, proxy, monkeypatch):
    address, asked = proxy
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, address)
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert client().predict(**Z)["image"].shape == (2, 32, 32, 3)
    names = ("localhost", "LOCALHOST", "localhost.", "app.localhost", "127.0.0.1", "127.9.9.9")
    for here in (*names, "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]"):
        with pytest.raises(ServingError, match="no answer from"):
            RestClient("heads", f"http://{here}:9").status()
    assert asked == []
    with pytest.raises(ServingError, match="502"):
        RestClient("heads", "http://serving.example:8501").status()
    with pytest.raises(ServingError, match="502"):
        RestClient("heads", "http://notlocalhost:8501").status()
    assert asked == [
        f"http://{host}:8501/v1/models/heads" for host in ("serving.example", "notlocalhost")
    ]
    monkeypatch.setenv("no_proxy", "serving.invalid")
    with pytest.raises(ServingError, match="no answer from http://serving.invalid"):
        RestClient("heads", "http://serving.invalid:8501").status()
    assert len(asked) == 2


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_commands_of_the_page_on_serving_get_an_image(server, tmp_path):
    root = pathlib.Path(__file__).parents[2]
    page = (root / "docs/howto/serve.md").read_text(encoding="utf-8")
    commands = re.findall(r"^((?:curl|printf) (?:.*\\\n)*.*)$", page, re.MULTILINE)
    assert len(commands) == 3
    with rest_server(server(root / "saved_models/heads64/2"), "heads64") as url:
        answers = []
        for command in commands:
            here = command.replace("localhost:8501", url).replace("python", sys.executable)
            said = subprocess.run(["sh", "-c", here], cwd=tmp_path, capture_output=True, check=True)
            answers.append(said.stdout)
    with Image.open(tmp_path / "head.png") as image:
        assert image.size == (64, 64) and image.mode == "RGB"
    found = json.loads((tmp_path / "found.json").read_text())["outputs"]
    assert np.shape(found["z_geometry"]) == (1, 12) and found["error"][0] < 20
    assert "reconstruct" in json.loads(answers[2])["metadata"]["signature_def"]["signature_def"]
