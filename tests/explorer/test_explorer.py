"""The explorer's server: what a page asks for, and what nobody should."""

import base64
import dataclasses
import http.client
import io
import json
import socket
import threading

import keras
import numpy as np
import pytest
from asking import HERE, SETTINGS, Client, Z, serving
from PIL import Image

from dgn_tf import explore
from dgn_tf.config import Config, DataConfig, ModelConfig
from dgn_tf.data.examples import as_bytes, as_float
from dgn_tf.explorer.address import Address
from dgn_tf.explorer.server import ExplorerServer
from dgn_tf.explorer.subject import Subject
from dgn_tf.inference.posterior import Inference
from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.models.factory import make_model
from dgn_tf.runs.trained import load_trained
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.directions import principal_directions
from dgn_tf.visualize.grids import draw_grid


def description(client):
    status, _, text = client.ask("/model.js")
    assert status == 200
    return json.loads(text.decode().removeprefix("const MODEL = ").removesuffix(";\n"))


def decoded(png):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def file_of(pixels, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def explorer(served):
    directions = principal_directions(served.model, served.chains)
    # The middle error is usual, and one and a half times the last the most that is typical.
    statistics = LatentStatistics.fit(served.chains, np.array([1.0, 2.0, 3.0]))
    client = serving(served.config, served.model, directions=directions, statistics=statistics)
    yield client
    client.close()


@pytest.fixture
def photograph():
    return np.random.default_rng(3).integers(0, 256, (32, 32, 3), np.uint8)


@pytest.mark.parametrize(
    ("path", "kind", "part"),
    [
        ("/", "text/html", b"<!doctype html>"),
        ("/style.css", "text/css", b"color-scheme"),
        ("/page.js", "text/javascript", b"function latentsAt"),
        ("/backend.js", "text/javascript", b"api/paint"),
    ],
)
def test_the_page_and_its_files_are_served(explorer, path, kind, part):
    status, found_kind, content = explorer.ask(path)
    assert (status, found_kind) == (200, f"{kind}; charset=utf-8")
    assert part in content and b"http://" not in content and b"https://" not in content


def test_the_model_is_described_by_its_directions(explorer, served):
    found = description(explorer)
    assert (found["name"], found["side"], found["deforms"]) == ("heads", 32, True)
    for group in found["groups"]:
        z = served.chains[group["name"]]
        np.testing.assert_allclose(group["start"], z.mean(axis=0), atol=1e-6)
        axes = np.array([direction["axis"] for direction in group["directions"]])
        scales = [direction["scale"] for direction in group["directions"]]
        np.testing.assert_allclose(axes @ axes.T, np.eye(z.shape[1]), atol=1e-6)
        np.testing.assert_allclose((z @ axes.T).std(axis=0), scales, rtol=1e-4)
        assert scales == sorted(scales, reverse=True)
        assert len({direction["title"] for direction in group["directions"]}) == z.shape[1]


def test_latents_are_painted(explorer, served):
    status, _, found = explorer.ask("/api/paint", {"latents": Z})
    assert status == 200 and list(found) == ["picture", "grid", "canonical"]
    z = {name: np.array([values], np.float32) for name, values in Z.items()}
    image, field = served.model(z).numpy(), served.model.part("geometry", z["geometry"]).numpy()
    for name, wanted in (
        ("picture", as_bytes(image)),
        ("canonical", as_bytes(served.model.part("appearance", z["appearance"]).numpy())),
        ("grid", draw_grid(image, field, 8)),
    ):
        np.testing.assert_allclose(decoded(found[name]), wanted[0], atol=1, err_msg=name)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the request is not JSON."),
        ({"latents": {**Z, "geometry": [1.0]}}, "geometry must be a list of 2 numbers; got 1."),
        ({"latents": {**Z, "geometry": [1.0, float("nan")]}}, "geometry must be numbers, finite"),
    ],
)
def test_latents_that_make_no_sense_get_one_error(explorer, body, message):
    status, kind, found = explorer.ask("/api/paint", body)
    assert (status, kind, list(found)) == (400, "application/json", ["error"])
    assert message in found["error"]
    assert explorer.ask("/api/paint", {"latents": Z})[0] == 200


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        (("/none",), 404, "there is no /none here."),
        (("/../server.py",), 404, "there is no"),
        (("/api/none", {}), 404, "there is no /api/none here."),
        (("/api/jobs/99",), 400, "there is no job 99."),
        (("/api/jobs/x",), 400, "there is no job x."),
        (("/api/infer", b"", {"Content-Length": "99999999"}), 413, "at most 32 MB"),
        (("/api/infer", b"", {"Content-Length": "9" * 5000}), 413, "at most 32 MB"),
        (("/api/infer", b"x" * 33_000_000), 413, "at most 32 MB"),
        (("/api/infer", b"", {"Content-Length": "-1"}), 411, "Content-Length is missing."),
        (("/", None, {"Host": "evil.example"}), 403, "this page is at http://127.0.0.1:"),
        (("/", None, {"Host": "127.0.0.1.evil.example"}), 403, "this page is at"),
        (("/", None, {"Host": "192.168.1.2"}), 403, "this page is at"),
        (("/", None, {"Host": "[x"}), 400, "is not an address."),
        (("/api/paint", b"{}", {"Origin": "http://evil.example"}), 403, "from other pages"),
        (("/api/paint", b"{}", {"Origin": "null"}), 403, "from other pages"),
        (("/", None, {}, "DELETE"), 501, "Unsupported method"),
    ],
)
def test_what_is_not_for_this_page_is_refused(explorer, request_, status, message):
    found_status, kind, found = explorer.ask(*request_)
    assert (found_status, kind) == (status, "application/json")
    assert message in found["error"]


def test_headers_alone_are_answered_as_the_page_is(explorer):
    assert explorer.ask("/", method="HEAD") == (200, "text/html; charset=utf-8", b"")


def test_a_request_of_two_lengths_is_refused(explorer):
    lines = ("POST /api/paint HTTP/1.1", "Host: localhost", "Content-Length: 2")
    request = "\r\n".join((*lines, "Content-Length: 9", "", "{}GET / HT"))
    with socket.create_connection(("127.0.0.1", explorer.server.server_address[1])) as connection:
        connection.sendall(request.encode())
        answers = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answers.count(b"HTTP/1.1") == 1 and b"411 Length Required" in answers


def test_nothing_is_shared_with_other_pages(explorer):
    connection = http.client.HTTPConnection("localhost", explorer.server.server_address[1])
    connection.request("GET", "/", headers={"Origin": explorer.server.address[:-1]})
    answer = connection.getresponse()
    # By another of its names than Host says.
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    connection.close()


def test_a_connection_that_breaks_is_no_end(explorer):
    with socket.create_connection(explorer.server.server_address) as stream:
        stream.sendall(
            b"POST /api/paint HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{"
        )
    with socket.create_connection(explorer.server.server_address) as stream:
        stream.sendall(b"\x16\x03\x01 garbage\r\n\r\n")
        assert b"error" in stream.recv(1000)
    assert explorer.ask("/api/paint", {"latents": Z})[0] == 200


def test_a_bug_is_told_and_the_server_lives(explorer, monkeypatch, capsys):
    monkeypatch.setattr(explorer.server.painter, "paint", lambda latents: 1 / 0)
    status, _, found = explorer.ask("/api/paint", {"latents": Z})
    assert (status, found) == (500, {"error": "the program failed: ZeroDivisionError."})
    assert "ZeroDivisionError" in capsys.readouterr().err
    monkeypatch.undo()
    assert explorer.ask("/api/paint", {"latents": Z})[0] == 200


def test_a_photograph_is_inferred_as_the_run_would(explorer, served, photograph):
    status, _, begun = explorer.ask("/api/infer?name=a.png", file_of(photograph))
    assert status == 200
    np.testing.assert_array_equal(decoded(begun["photograph"]), photograph)
    found = explorer.wait(begun["job"])
    x = as_float(photograph[None])
    # As the schedules of the run end.
    inference = explorer.server.jobs._inference
    assert isinstance(inference, Inference)
    used = inference._dynamics.step_size, inference.sigma, inference.starts
    assert used == (0.1, 0.8, 4)
    wanted = inference(x)
    for name, z in wanted.items():
        np.testing.assert_allclose(found["latents"][name], z[0], atol=1e-4)
    error = np.sum(np.square(served.model(wanted).numpy() - x)) / 4
    assert found["msre"] == pytest.approx(error, rel=1e-3)
    # Noise is nothing that the model has learned.
    assert error > 4.5 and found["typical"] is False


def test_the_first_photograph_waits_for_no_trace(served, photograph):
    directions = principal_directions(served.model, served.chains)
    client = serving(served.config, served.model, directions=directions)
    dynamics = client.server.jobs._inference._dynamics
    functions = dynamics._steps, dynamics._energy
    before = [function.experimental_get_tracing_count() for function in functions]
    assert min(before) >= 1
    _, _, begun = client.ask("/api/infer", file_of(photograph))
    assert client.wait(begun["job"])["state"] == "done"
    assert [function.experimental_get_tracing_count() for function in functions] == before
    client.close()


def test_one_photograph_is_inferred_at_a_time(explorer, photograph, monkeypatch):
    free, asked = threading.Event(), []

    def slow(images, progress, given, watch):
        watch({"appearance": np.ones((1, 3)), "geometry": np.zeros((1, 2))})
        progress(10, 40)
        asked.append(given)
        free.wait(60)
        return {"appearance": np.full((1, 3), np.nan), "geometry": np.zeros((1, 2))}

    monkeypatch.setattr(explorer.server.jobs, "_inference", slow)
    _, _, begun = explorer.ask("/api/infer", file_of(photograph))
    status, _, found = explorer.ask("/api/infer", file_of(photograph))
    assert status == 409 and "another photograph is being inferred" in found["error"]
    # Sliders still move.
    assert explorer.ask("/api/paint", {"latents": Z})[0] == 200
    _, _, state = explorer.ask(f"/api/jobs/{begun['job']}")
    assert state["state"] == "running" and state["total"] in (0, 40)
    # What is reached so far is there to be shown.
    assert state.get("latents", {"geometry": [0.0, 0.0]})["geometry"] == [0.0, 0.0]
    free.set()
    state = explorer.wait(begun["job"])
    assert state["state"] == "failed" and "diverged" in state["error"] and asked == [{}]
    monkeypatch.setattr(explorer.server.jobs, "_inference", lambda *_, **__: 1 / 0)
    _, _, begun = explorer.ask("/api/infer", file_of(photograph))
    assert explorer.wait(begun["job"])["error"] == "the inference failed: ZeroDivisionError."


def test_what_is_no_photograph_is_refused(explorer):
    status, _, found = explorer.ask("/api/infer?name=x.png", b"%PDF-1.7")
    assert status == 400 and found["error"].startswith("x.png cannot be read as an image")


@pytest.fixture
def latents():
    rng = np.random.default_rng(5)
    return [
        {"appearance": rng.normal(size=3).tolist(), "geometry": rng.normal(size=2).tolist()}
        for _ in range(3)
    ]


def test_many_images_are_painted_at_once(explorer, served, latents):
    status, kind, content = explorer.ask("/api/images", {"latents": latents})
    assert (status, kind) == (200, "image/png")
    z = {name: np.float32([each[name] for each in latents]) for name in Z}
    wanted = as_bytes(decode(served.model, z)[0])
    found = np.asarray(Image.open(io.BytesIO(content))).reshape(3, 32, 32, 3)
    np.testing.assert_allclose(found, wanted, atol=1)
    status, _, found = explorer.ask("/api/images", {"latents": 65 * latents[:1]})
    assert status == 400 and "those of 1 to 64 images" in found["error"]


def test_frames_are_animated_there_and_back(explorer, latents):
    status, kind, content = explorer.ask("/api/animate", {"latents": latents})
    assert (status, kind) == (200, "image/gif")
    gif = Image.open(io.BytesIO(content))
    assert (gif.n_frames, gif.size) == (4, (128, 128))
    _, _, painted = explorer.ask("/api/paint", {"latents": latents[1]})
    wanted = Image.fromarray(decoded(painted["picture"])).resize((128, 128), Image.BICUBIC)
    for number in (1, 3):
        gif.seek(number)
        # A GIF has 256 colors.
        frame = np.asarray(gif.convert("RGB"), float)
        assert np.abs(frame - np.asarray(wanted, float)).mean() < 6


def test_samples_come_from_the_training_latents_or_the_prior(explorer, served):
    assert description(explorer)["samples"] == ["training", "prior"]
    asked = {"seed": 3, "count": 2, "source": "training"}
    status, _, found = explorer.ask("/api/sample", asked)
    assert status == 200
    statistics = explorer.server.statistics
    for source in ("training", "prior"):
        _, _, found = explorer.ask("/api/sample", asked | {"source": source})
        for seed, latents in zip((3, 4), found["latents"], strict=True):
            for name, z in statistics.sample(1, seed, source).items():
                np.testing.assert_allclose(latents[name], z[0], rtol=1e-6)
    for wrong in ({"seed": -1}, {"seed": 1.5}, {"count": 0}, {"count": 65}, {"source": "x"}):
        status, _, found = explorer.ask("/api/sample", asked | wrong)
        assert status == 400 and found["error"].startswith(next(iter(wrong)))


def test_names_of_directions_change_and_are_kept(served):
    kept = []
    directions = principal_directions(served.model, served.chains)
    client = serving(served.config, served.model, directions=directions, keep=kept.append)
    asked = {"group": "appearance", "direction": 1, "name": " smile "}
    assert client.ask("/api/name", asked)[2] == {"title": "smile"}
    assert kept[-1]["appearance"].names == ("appearance 1", "smile", "appearance 3")
    titles = [d["title"] for d in description(client)["groups"][0]["directions"]]
    assert titles == ["appearance 1", "smile", "appearance 3"]
    for wrong, message in (
        ({"name": "appearance 1"}, "of this name already"),
        ({"name": ""}, "must be text"),
        ({"name": "7"}, "must be text"),
        ({"name": "a\nb"}, "must be a line"),
        ({"name": 41 * "x"}, "at most 40 characters"),
        ({"name": None}, "must be a line"),
        ({"group": "other"}, "group must be"),
        ({"direction": 3}, "numbered from 0 to 2"),
    ):
        status, _, found = client.ask("/api/name", asked | wrong)
        assert status == 400 and message in found["error"], wrong
    assert len(kept) == 1
    client.close()


def test_without_a_port_the_usual_or_the_next_is_taken(served, monkeypatch):
    monkeypatch.setattr("dgn_tf.explorer.server.Painter", lambda model: None)
    monkeypatch.setattr("dgn_tf.explorer.server.Jobs", lambda *_: None)
    subject = Subject("heads", served.config, served.model)
    first, second = (ExplorerServer(subject, Address(), SETTINGS) for _ in range(2))
    assert 7860 <= first.server_address[1] < second.server_address[1]
    first.server_close()
    second.server_close()


def test_a_labeled_model_asks_for_the_class_of_a_photograph():
    config = Config(
        data=DataConfig(side=32, channels=1),
        model=ModelConfig(appearance="label", appearance_dim=3, geometry_dim=2, alpha=0.1),
    )
    keras.utils.set_random_seed(0)
    client = serving(config, make_model(config.model, 32, 1), classes=["cat", "dog"])
    found = description(client)
    looks, shape = found["groups"]
    assert looks["classes"] == ["cat", "dog", "2"] and looks["directions"] == []
    assert looks["start"] == [1.0, 0.0, 0.0] and found["given"] == ["appearance"]
    # No latents to find directions in: the units of the prior.
    assert [direction["scale"] for direction in shape["directions"]] == pytest.approx([1.0, 1.0])
    photograph = file_of(np.random.default_rng(3).integers(0, 256, (32, 32), np.uint8))
    status, _, found = client.ask("/api/infer", photograph)
    assert (status, found["error"]) == (400, "label must be a number from 0 to 2.")
    _, _, begun = client.ask("/api/infer?label=1", photograph)
    assert client.wait(begun["job"])["latents"]["appearance"] == [0.0, 1.0, 0.0]
    client.close()


def test_a_run_without_geometry_in_gray_is_explored(tiny_run):
    trained = load_trained(str(tiny_run.folder), None)
    client = Client(explore.make_server("tiny", trained, HERE, SETTINGS))
    assert description(client)["deforms"] is False
    z = {"appearance": [0.0, 1.0]}
    _, _, found = client.ask("/api/paint", {"latents": z})
    assert list(found) == ["picture"] and decoded(found["picture"]).shape == (32, 32)
    client.close()


def test_what_cannot_be_explored_is_one_line(run_app, served, monkeypatch):
    taken = socket.create_server(("127.0.0.1", 0))
    port, source = taken.getsockname()[1], f"--saved_model={served.path}"
    said = run_app(explore, source, f"--port={port}")
    assert said.status == 2 and f"--port={port}: cannot listen there: Address" in said.err
    # Before a model is loaded, which takes long.
    with monkeypatch.context() as unused:
        unused.setattr("dgn_tf.runs.trained.load_trained", None)
        for place in (f"--port={port}", "--host=192.0.2.1", "--host=no host", "--host=::1"):
            said = run_app(explore, source, place)
            assert said.status == 2 and f"{place}" in said.err and "cannot listen the" in said.err
    taken.close()
    both = run_app(explore, "--run_dir=none", source)
    assert "give either --run_dir" in both.err
    assert "--run_dir=none holds no run" in run_app(explore, "--run_dir=none").err
    trained = load_trained(None, str(served.path))
    data = dataclasses.replace(served.config.data, frames=4)
    clips = dataclasses.replace(trained, config=type("Clips", (), {"data": data}))
    monkeypatch.setattr("dgn_tf.runs.trained.load_trained", lambda *_: clips)
    assert "holds a model of clips" in run_app(explore, source).err
