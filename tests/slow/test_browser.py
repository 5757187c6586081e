"""The explorer and the static folder in headless Chromium, as a user meets them."""

import base64
import contextlib
import functools
import http.client
import http.server
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgn_tf import export
from dgn_tf.config import DataConfig
from dgn_tf.data.examples import as_bytes, as_float
from dgn_tf.data.sources import load
from dgn_tf.serving import exported
from dgn_tf.visualize.images import as_images

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "saved_models" / "heads64"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Pixels of a canvas, [side, side, 3], which JSON carries as base64.
PIXELS = """id => byId(id).toDataURL("image/png").split(",")[1]"""

# Drops a file, given as base64, on the box for photographs.
DROP = """text => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "head1.jpg", { type: "image/jpeg" }));
  byId("drop").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
}"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("there is no chromium or google-chrome on this machine")
    with playwright.sync_playwright() as started:
        context = started.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=chromium,
            headless=True,
            args=FLAGS,
            accept_downloads=True,
        )
        yield context
        context.close()


@pytest.fixture
def page(browser):
    page, said = browser.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    page.close()
    # Chromium notes every answer that is an error, asked for or not.
    assert [text for text in said if "400 (Bad Request)" not in text] == []


@pytest.fixture(scope="module")
def explorer():
    """The address of the program, started as the README says."""
    command = [sys.executable, "-m", "dgn_tf.explore", f"--saved_model={SHIPPED}", "--steps=40"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        # Ctrl-C reaches it even where the tests run in the background, which ignores it.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        stdout=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")},
    )
    line = process.stdout.readline()
    assert line.startswith("Explore the model at http://127.0.0.1:"), line
    yield line.split()[4]
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 128 + signal.SIGINT


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder, paths = tmp_path_factory.mktemp("heads"), []
    for number, image in enumerate(load(DataConfig(data="heads:test", limit=2)).images):
        paths.append(folder / f"head{number}.jpg")
        Image.fromarray(image).resize((256, 256)).save(paths[-1])
    return paths


def until(page, condition):
    deadline = time.monotonic() + 120
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def opened(page, address):
    page.goto(address)
    until(page, "Number(document.body.dataset.drawn) > 0")


def move(page, slider, key="ArrowRight", times=10):
    """Presses a key on a slider, and waits until the image of the last press is drawn."""
    page.focus(f"#{slider}")
    for _ in range(times):
        page.keyboard.press(key)
    until(page, "!drawing")


def canvas(page, name):
    image = Image.open(io.BytesIO(base64.b64decode(page.evaluate(PIXELS, name))))
    return np.asarray(image.convert("RGB"), float)


def downloaded(page, button):
    with page.expect_download() as download:
        page.click(button)
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_sliders_move_the_image(page, explorer):
    opened(page, explorer)
    before = {name: canvas(page, name) for name in ("picture", "grid", "canonical")}
    move(page, "geometry-1")
    after = {name: canvas(page, name) for name in before}
    # Geometry bends the image and the grid, and leaves the canonical image.
    assert np.abs(after["picture"] - before["picture"]).mean() > 3
    assert np.abs(after["grid"] - before["grid"]).mean() > 3
    np.testing.assert_array_equal(after["canonical"], before["canonical"])
    assert page.inner_text(".slider output") == "+1.0"
    assert page.get_attribute("#geometry-1", "aria-valuetext") == "+1.0 standard deviations"
    move(page, "appearance-1", "ArrowLeft")
    assert np.abs(canvas(page, "canonical") - before["canonical"]).mean() > 3
    page.click("#reset")
    until(page, "!drawing")
    np.testing.assert_array_equal(canvas(page, "picture"), before["picture"])
    page.click("#random")
    until(page, "!drawing")
    assert np.abs(canvas(page, "picture") - before["picture"]).mean() > 3


def test_every_control_has_a_name(page, explorer):
    opened(page, explorer)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("input, select, button, canvas, progress")]
        .filter((e) => !(e.labels && e.labels.length) && !e.ariaLabel && !e.textContent.trim())
        .map((e) => e.outerHTML)"""
    )
    assert unnamed == []


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_nothing_sticks_out_of_a_narrow_window(page, explorer, width):
    page.set_viewport_size({"width": width, "height": 700})
    opened(page, explorer)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_photographs_are_inferred_edited_and_recombined(page, explorer, photographs):
    opened(page, explorer)
    average = canvas(page, "picture")
    page.set_input_files("#file", photographs[0])
    until(page, "!byId('job').hidden && byId('progress').value > 0")
    until(page, "document.querySelectorAll('#loaded img').length == 1 && byId('job').hidden")
    page.evaluate(DROP, base64.b64encode(photographs[1].read_bytes()).decode())
    until(page, "document.querySelectorAll('#loaded img').length == 2 && byId('job').hidden")
    assert "head1.jpg: squared error" in page.inner_text("#status")
    inferred, photograph = canvas(page, "picture"), canvas(page, "photograph")
    # The image looks like the photograph, as the average does not.
    errors = [np.square(image - photograph).mean() for image in (inferred, average)]
    assert errors[0] < 0.5 * errors[1]
    move(page, "geometry-2")
    assert np.abs(canvas(page, "picture") - inferred).mean() > 3
    until(page, "document.querySelectorAll('#board-table td img').length == 4")
    name, content = downloaded(page, "#save-latents")
    z = json.loads(content)
    assert name == "latents.json" and (len(z["z_appearance"]), len(z["z_geometry"])) == (6, 12)
    name, content = downloaded(page, "#save-animation")
    assert name == "animation.gif" and Image.open(io.BytesIO(content)).n_frames == 60
    name, content = downloaded(page, "#save-board")
    assert name == "board.png" and Image.open(io.BytesIO(content)).size == (400, 400)
    # The appearance of the first in the geometry of the second.
    edited = canvas(page, "picture")
    page.click("#board-table tr:nth-child(2) td:nth-child(3) button")
    until(page, "!drawing")
    assert np.abs(canvas(page, "picture") - edited).mean() > 3
    page.click("[aria-label='Remove head0.jpg']")
    until(page, "byId('board').hidden && document.querySelectorAll('#loaded img').length == 1")


@contextlib.contextmanager
def proxy(address, prefix):
    """A proxy that has the explorer under a path, which it takes away."""
    upstream = urllib.parse.urlsplit(address).netloc

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
            connection = http.client.HTTPConnection(upstream)
            connection.request(
                self.command, self.path.removeprefix(prefix), body, dict(self.headers)
            )
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name in ("Content-Type", "Content-Security-Policy"):
                self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}/"
        server.shutdown()


def test_all_works_under_a_path_of_a_proxy(page, explorer, photographs):
    with proxy(explorer, "/tools/heads") as address:
        opened(page, address)
        average = canvas(page, "picture")
        move(page, "geometry-1")
        assert np.abs(canvas(page, "picture") - average).mean() > 3
        page.set_input_files("#file", photographs)
        until(page, "document.querySelectorAll('#board-table td img').length == 4")
        name, content = downloaded(page, "#save-animation")
        assert name == "animation.gif" and Image.open(io.BytesIO(content)).n_frames == 60


def test_a_file_that_is_no_image_is_told(page, explorer, tmp_path):
    (tmp_path / "notes.png").write_text("not an image")
    opened(page, explorer)
    page.set_input_files("#file", tmp_path / "notes.png")
    until(page, "byId('status').textContent.includes('notes.png cannot be read as an image')")
    move(page, "geometry-1")
    assert page.inner_text("#status") == ""


@contextlib.contextmanager
def file_server(folder):
    """A plain server of static files."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture(scope="module", params=["shipped", "small"])
def web(request, run_app, served, tmp_path_factory):
    """The folder of a model, and the model."""
    path = SHIPPED if request.param == "shipped" else served.path
    out = tmp_path_factory.mktemp("web")
    said = run_app(export, f"--saved_model={path}", "--format=web", f"--output_dir={out}")
    assert said.status == 0, said.err
    return out / "heads64" / "web" if path == SHIPPED else out / "heads" / "web", exported.load(
        path
    )


def test_the_static_page_paints_what_the_model_paints(page, web):
    folder, (_, model, latents, *_) = web
    rng = np.random.default_rng(0)
    with file_server(folder) as address:
        opened(page, address)
        for z in (
            {n: v[k].astype(float) for n, v in latents.items()} for k in rng.integers(40, size=4)
        ):
            found = page.evaluate(
                """z => { const { picture, canonical, field } = compute(z);
                return [picture, canonical, field].map((map) => Array.from(map)); }""",
                {name: values.tolist() for name, values in z.items()},
            )
            tensors = {name: np.float32(values)[None] for name, values in z.items()}
            parts = {name: model.part(name, value) for name, value in tensors.items()}
            wanted = model.combine(parts), parts["appearance"], parts["geometry"]
            errors = [
                np.abs(np.array(made) - np.ravel(true))
                for made, true in zip(found, wanted, strict=True)
            ]
            # Weights of 16 bits: half a step of the 256 gray values, a hundredth of a pixel.
            assert errors[0].max() < 1 / 255 and errors[1].max() < 1 / 255
            assert errors[2].max() < 0.01
        before = canvas(page, "picture")
        move(page, "geometry-1")
        assert np.abs(canvas(page, "picture") - before).mean() > 1


def test_the_static_page_takes_a_photograph_apart(page, web, tmp_path):
    folder, (_, model, latents, _, encoder) = web
    opened(page, (folder / "index.html").as_uri())
    assert page.is_visible("#photographs") == (encoder is not None)
    if encoder is None:
        pytest.skip("the small model has no encoder, and so no box for photographs")
    z = {name: np.float32(values[3])[None] for name, values in latents.items()}
    image = as_bytes(model(z).numpy())[0]
    guess = page.evaluate("x => guess(Float32Array.from(x))", as_float(image).ravel().tolist())
    for name, (mean, _) in encoder(as_float(image)[None]).items():
        np.testing.assert_allclose(guess[name], mean[0], atol=0.02)
    Image.fromarray(image).save(tmp_path / "head.png")
    (tmp_path / "notes.png").write_text("no image")
    before = canvas(page, "picture")
    page.set_input_files("#file", tmp_path / "head.png")
    until(page, "byId('status').textContent.includes('head.png: squared error')")
    assert page.is_visible("#photograph")
    # The painted head comes back, which is not the mean head of before.
    shown, wanted = canvas(page, "picture"), as_images(image[None], 384 // image.shape[1])[0]
    assert np.abs(shown - wanted).mean() < 0.5 * np.abs(before - wanted).mean()
    page.set_input_files("#file", tmp_path / "notes.png")
    until(page, "byId('status').textContent.includes('notes.png is no image')")
    page.click("#random")
    assert not page.is_visible("#photograph")


def test_the_static_page_opens_from_a_disk(page, web):
    folder, (_, model, latents, *_) = web
    opened(page, (folder / "index.html").as_uri())
    move(page, "geometry-1", times=15)
    z = page.evaluate("latentsNow()")
    image = model({name: np.float32(values)[None] for name, values in z.items()})
    wanted = as_images(as_bytes(image.numpy()), 384 // image.shape[1])[0]
    # On screen it is enlarged by the browser's filter, not by ours.
    assert np.abs(canvas(page, "picture") - wanted).mean() < 3
