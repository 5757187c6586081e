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

# Drops a file, given as base64, somewhere on the page.
DROP = """text => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "head1.jpg", { type: "image/jpeg" }));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
}"""

# Counts the drawings while a photograph is taken apart.
COUNT = """() => {
  window.inSight = 0;
  new MutationObserver(() => { if (!byId("job").hidden) inSight++; })
    .observe(document.body, { attributes: true, attributeFilter: ["data-drawn"] });
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
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        # Ctrl-C reaches it even where the tests run in the background, which ignores it.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
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
    assert page.inner_text("#groups output") == "+1.0"
    assert page.get_attribute("#geometry-1", "aria-valuetext") == "+1.0 standard deviations"
    move(page, "appearance-1", "ArrowLeft")
    assert np.abs(canvas(page, "canonical") - before["canonical"]).mean() > 3
    page.click("#reset")
    until(page, "!drawing")
    np.testing.assert_array_equal(canvas(page, "picture"), before["picture"])


def test_every_control_has_a_name(page, explorer):
    opened(page, explorer)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("input, select, button, canvas, progress")]
        .filter((e) => !(e.labels && e.labels.length) && !e.ariaLabel && !e.textContent.trim())
        .filter((e) => !e.ariaHidden)
        .map((e) => e.outerHTML)"""
    )
    assert unnamed == []


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_nothing_sticks_out_of_a_narrow_window(page, explorer, width):
    page.set_viewport_size({"width": width, "height": 700})
    opened(page, explorer)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def items(page):
    return page.evaluate("items.map(({ name }) => name)")


def take(page, *paths):
    """Chooses files, and waits until all are taken apart."""
    page.set_input_files("#file", paths)
    until(page, "!byId('file').disabled && byId('job').hidden && !drawing")


def test_photographs_are_inferred_edited_and_recombined(page, explorer, photographs):
    opened(page, explorer)
    average = canvas(page, "picture")
    page.evaluate(COUNT)
    take(page, photographs[0])
    # It gets better in sight: the guess, and what follows.
    assert page.evaluate("inSight") >= 2
    assert items(page) == ["head0.jpg"]
    page.evaluate(DROP, base64.b64encode(photographs[1].read_bytes()).decode())
    until(page, "items.length == 2 && byId('job').hidden")
    assert "head1.jpg: squared error" in page.inner_text("#status")
    assert not page.is_visible("#unlike")
    until(page, "!drawing")
    inferred, photograph = canvas(page, "picture"), canvas(page, "photograph")
    # The image looks like the photograph, as the average does not.
    errors = [np.square(image - photograph).mean() for image in (inferred, average)]
    assert errors[0] < 0.5 * errors[1]
    move(page, "geometry-2")
    assert np.abs(canvas(page, "picture") - inferred).mean() > 3
    until(page, "document.querySelectorAll('#board-table td canvas').length == 4")
    corner = page.inner_text("#board-table .corner")
    assert "geometry of →" in corner and "appearance of ↓" in corner
    name, content = downloaded(page, "#save-board")
    assert name == "board.png" and Image.open(io.BytesIO(content)).size == (400, 400)
    # The appearance of the first in the geometry of the second.
    edited = canvas(page, "picture")
    page.click("#board-table tr:nth-child(2) td:nth-child(3) button")
    until(page, "!drawing")
    assert np.abs(canvas(page, "picture") - edited).mean() > 3
    page.click("[aria-label='Remove head0.jpg']")
    until(page, "byId('board').hidden && items.length == 1")


def test_one_bad_file_stops_nothing_else(page, explorer, photographs, tmp_path):
    (tmp_path / "notes.png").write_text("not an image")
    (tmp_path / "z.json").write_text('{"z_geometry": [1]}')
    opened(page, explorer)
    take(page, tmp_path / "notes.png", photographs[0], tmp_path / "z.json", photographs[1])
    assert items(page) == ["head0.jpg", "head1.jpg"]
    said = page.inner_text("#status")
    assert "notes.png cannot be read as an image" in said and "z.json has no 6 latents" in said
    move(page, "geometry-1")
    assert page.inner_text("#status") == ""


def test_what_the_model_has_never_learned_is_told(page, explorer, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    opened(page, explorer)
    take(page, tmp_path / "noise.png")
    assert "Unlike anything this model has learned" in page.inner_text("#unlike")
    page.click("#loaded button >> nth=0")
    until(page, "!drawing")
    assert not page.is_visible("#unlike")


def large(page):
    return canvas(page, "large")


def test_the_image_before_is_shown_while_space_is_held(page, explorer, photographs):
    opened(page, explorer)
    before = large(page)
    move(page, "geometry-1", times=20)
    after = large(page)
    assert np.abs(after - before).mean() > 3
    page.keyboard.down("Space")
    until(page, "!byId('badge').hidden")
    assert page.inner_text("#badge") == "Before"
    assert np.abs(large(page) - before).mean() < 1
    page.keyboard.up("Space")
    assert not page.is_visible("#badge")
    np.testing.assert_array_equal(large(page), after)
    # With the mouse or a finger; a photograph is what was before.
    take(page, photographs[0])
    page.hover("#before")
    page.mouse.down()
    until(page, "!byId('badge').hidden")
    assert page.inner_text("#badge") == "Photograph"
    assert np.abs(large(page)[::2, ::2] - canvas(page, "photograph")).mean() < 3
    page.mouse.up()
    assert not page.is_visible("#badge")


def test_any_part_is_shown_large(page, explorer):
    opened(page, explorer)
    for view in ("grid", "canonical", "picture"):
        page.click(f"#strip [data-view={view}]")
        assert np.abs(large(page)[::2, ::2] - canvas(page, view)).mean() < 6
    assert page.evaluate("byId('large').width") == 768


def test_thumbnails_show_and_set_what_a_slider_does(page, explorer):
    opened(page, explorer)
    until(page, "document.body.dataset.thumbnails")
    thumbnail = page.evaluate(
        """() => sliders.geometry[0].thumbnails[2].canvas.toDataURL().split(",")[1]"""
    )
    page.click("#geometry-1 ~ .ends button:nth-child(3)")
    until(page, "!drawing")
    assert page.input_value("#geometry-1") == "2"
    image = Image.open(io.BytesIO(base64.b64decode(thumbnail))).convert("RGB").resize((384, 384))
    assert np.abs(canvas(page, "picture") - np.asarray(image, float)).mean() < 4


def test_samples_have_seeds_and_a_source(page, explorer):
    opened(page, explorer)
    until(page, "document.querySelectorAll('#drawn canvas').length == 6")
    average = canvas(page, "picture")
    page.click("#drawn button >> nth=3")
    until(page, "!drawing")
    third = canvas(page, "picture")
    assert np.abs(third - average).mean() > 3
    assert page.evaluate("state.source.name") == "seed 3"
    page.fill("#seed", "3")
    page.press("#seed", "Enter")
    until(page, "byId('drawn').querySelector('span').textContent == '3'")
    page.click("#drawn button >> nth=0")
    until(page, "!drawing")
    np.testing.assert_array_equal(canvas(page, "picture"), third)
    page.select_option("#sample-source", "prior")
    until(page, "byId('drawn').querySelector('button').title.includes('prior N(0, I)')")
    page.click("#drawn button >> nth=0")
    until(page, "!drawing")
    assert np.abs(canvas(page, "picture") - third).mean() > 3


def test_changes_are_undone_and_done_again(page, explorer):
    opened(page, explorer)
    shown = [canvas(page, "picture")]
    assert page.is_disabled("#undo") and page.is_disabled("#redo")
    move(page, "geometry-1", times=15)
    shown.append(canvas(page, "picture"))
    page.click("#drawn button >> nth=1")
    until(page, "!drawing && now > 1")
    shown.append(canvas(page, "picture"))
    page.keyboard.press("Control+z")
    until(page, "!drawing")
    np.testing.assert_array_equal(canvas(page, "picture"), shown[1])
    while page.is_enabled("#undo"):
        page.click("#undo")
        until(page, "!drawing")
    np.testing.assert_array_equal(canvas(page, "picture"), shown[0])
    page.keyboard.press("Control+Shift+z")
    while page.is_enabled("#redo"):
        page.click("#redo")
        until(page, "!drawing")
    np.testing.assert_array_equal(canvas(page, "picture"), shown[2])


def test_the_address_and_saved_latents_open_the_same_again(page, browser, explorer, tmp_path):
    opened(page, explorer)
    page.click("#drawn button >> nth=2")
    until(page, "!drawing && now > 0")
    move(page, "geometry-2", times=12)
    page.click("#strip [data-view=canonical]")
    shown = {name: canvas(page, name) for name in ("picture", "large")}
    other = browser.new_page()
    opened(other, page.url)
    for name, image in shown.items():
        assert np.abs(canvas(other, name) - image).mean() < 0.5
    assert other.input_value("#geometry-2") == "1.2"
    assert items(other) == ["seed 2"]
    other.close()
    name, content = downloaded(page, "#save-latents")
    z = json.loads(content)
    assert name == "latents.json" and (len(z["z_appearance"]), len(z["z_geometry"])) == (6, 12)
    (tmp_path / name).write_bytes(content)
    page.click("#loaded button >> nth=0")
    until(page, "!drawing")
    take(page, tmp_path / name)
    assert np.abs(canvas(page, "picture") - shown["picture"]).mean() < 0.5
    opened(page, explorer + "#z.geometry=1,2")
    page.reload()
    until(page, "byId('status').textContent.includes('The address is not of this model')")


def test_a_direction_gets_a_name_that_stays(page, explorer):
    opened(page, explorer)
    before = page.inner_text("label[for=geometry-3]")
    for given in ("broad smile", before):
        page.click("#groups fieldset:nth-of-type(1) .slider:nth-of-type(3) .rename")
        page.keyboard.type(given)
        page.keyboard.press("Enter")
        until(page, f"byId('status').textContent.includes('Renamed to {given}')")
        assert page.inner_text("label[for=geometry-3]") == given
        page.reload()
        until(page, "Number(document.body.dataset.drawn) > 0")
        assert page.inner_text("label[for=geometry-3]") == given
    page.click("#groups fieldset:nth-of-type(1) .slider:nth-of-type(3) .rename")
    page.keyboard.type("never")
    page.keyboard.press("Escape")
    assert page.inner_text("label[for=geometry-3]") == before


def test_animations_play_on_the_page_and_are_saved(page, explorer):
    opened(page, explorer)
    still = large(page)
    page.click("#play")
    until(page, "playing > 0")
    seen = set()
    deadline = time.monotonic() + 60
    while len(seen) < 4 and time.monotonic() < deadline:
        seen.add(page.evaluate(PIXELS, "large"))
        page.wait_for_timeout(120)
    assert len(seen) >= 4
    page.click("#play")
    np.testing.assert_array_equal(large(page), still)
    name, content = downloaded(page, "#save-animation")
    assert name == "animation.gif" and Image.open(io.BytesIO(content)).n_frames == 60
    # On the way to another image.
    until(page, "document.querySelectorAll('#drawn canvas').length == 6")
    page.click("#drawn button >> nth=1")
    until(page, "!drawing && now > 0")
    page.select_option("#along", label="morph to Average")
    _, content = downloaded(page, "#save-animation")
    gif = Image.open(io.BytesIO(content))
    first = np.asarray(gif.convert("RGB").resize((384, 384)), float)
    gif.seek(30)
    last = np.asarray(gif.convert("RGB").resize((384, 384)), float)
    now = canvas(page, "picture")
    assert np.abs(first - now).mean() < np.abs(last - now).mean()


def test_everything_is_reached_by_the_keyboard(page, explorer):
    opened(page, explorer)
    until(page, "document.querySelectorAll('#drawn canvas').length == 6")
    page.keyboard.press("Tab")
    reached = set()
    for _ in range(150):
        found = page.evaluate("document.activeElement.id || document.activeElement.ariaLabel || ''")
        if found in reached and found == "before":
            break
        reached.add(found)
        page.keyboard.press("Tab")
    wanted = {"before", "reset", "keep", "save-picture", "file", "find-face", "seed", "along"}
    wanted |= {"geometry-1", "appearance-1", "play", "save-animation", "sample-source"}
    assert wanted <= reached, wanted - reached


@pytest.mark.parametrize("width", [400, 1280])
def test_whatever_is_pressed_is_large_enough_for_a_finger(page, explorer, width):
    page.set_viewport_size({"width": width, "height": 800})
    opened(page, explorer)
    until(page, "document.querySelectorAll('#drawn canvas').length == 6")
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input:not(#file), summary, #drop")]
        .filter((e) => e.checkVisibility() && !e.closest(".choice"))
        .map((e) => [e.outerHTML, e.getBoundingClientRect()])
        .filter(([, box]) => box.height < 44 || box.width < 44)
        .map(([text, box]) => `${text} ${box.width} x ${box.height}`)"""
    )
    assert small == []


@pytest.mark.parametrize("size", [(1100, 700), (1280, 800), (1920, 1080)])
def test_the_large_image_never_has_less_than_512_pixels(page, explorer, photographs, size):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    opened(page, explorer)
    before = page.evaluate("byId('large').getBoundingClientRect().width")
    assert before >= 512
    take(page, photographs[0])
    assert page.evaluate("byId('large').getBoundingClientRect().width") == before


def test_dark_and_light_can_be_read(page, explorer):
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        opened(page, explorer)
        low = page.evaluate(
            """() => {
              const light = (text) => {
                const [r, g, b] = text.match(/[\\d.]+/g).map((v) => {
                  const c = v / 255;
                  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
                });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              const behind = (e) => {
                const found = getComputedStyle(e).backgroundColor;
                return found.endsWith(", 0)") && e.parentElement ? behind(e.parentElement) : found;
              };
              return [...document.querySelectorAll("label, p, h1, h2, legend, button, span")]
                .filter((e) => e.checkVisibility() && e.textContent.trim() &&
                  !e.closest(":disabled") && !e.closest(".away"))
                .filter((e) => {
                  const [a, b] = [getComputedStyle(e).color, behind(e)].map(light);
                  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
                }).map((e) => e.outerHTML);
            }"""
        )
        assert low == [], scheme


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
        take(page, *photographs)
        until(page, "document.querySelectorAll('#board-table td canvas').length == 4")
        name, content = downloaded(page, "#save-animation")
        assert name == "animation.gif" and Image.open(io.BytesIO(content)).n_frames == 60


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
    page.click("#loaded button >> nth=0")
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
