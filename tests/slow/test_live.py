"""The static page with a camera, from the disk: Chromium's fake one plays painted heads."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgn_tf import export
from dgn_tf.data.examples import as_bytes
from dgn_tf.serving import exported
from dgn_tf.visualize.morphing import interpolate

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "heads64"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
# Most that a page may weigh.
BYTES = 3e6


@pytest.fixture(scope="module")
def painted():
    """The model, and its heads of one appearance on a way through geometries: [T, 64, 64, 3]."""
    _, model, latents, *_ = exported.load(SHIPPED)
    z = {name: values[:4].copy() for name, values in latents.items()}
    z["appearance"][:] = z["appearance"][0]
    return model, as_bytes(model(interpolate(z, 8, closed=True)).numpy())


def write_y4m(path, frames, rate=15):
    """Raw video, 4:2:0, as Chromium's fake camera reads it."""
    height, width = frames.shape[1:3]
    with open(path, "wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (width, height, rate))
        for frame in frames:
            luma, *chroma = Image.fromarray(frame).convert("YCbCr").split()
            half = [
                plane.resize((width // 2, height // 2), Image.Resampling.BOX) for plane in chroma
            ]
            file.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in (luma, *half)))


@pytest.fixture(scope="module")
def browser(painted, tmp_path_factory):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("there is no chromium or google-chrome on this machine")
    folder = tmp_path_factory.mktemp("camera")
    # Wider than high, as cameras are; the head is in the middle.
    seen = np.full([len(painted[1]), 256, 320, 3], 128, np.uint8)
    seen[:, :, 32:288] = painted[1].repeat(4, 1).repeat(4, 2)
    write_y4m(folder / "heads.y4m", seen)
    with playwright.sync_playwright() as started:
        context = started.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=chromium,
            headless=True,
            args=[*FLAGS, f"--use-file-for-fake-video-capture={folder}/heads.y4m"],
            accept_downloads=True,
        )
        yield context
        context.close()


@pytest.fixture(scope="module")
def address(run_app, tmp_path_factory):
    out = tmp_path_factory.mktemp("web")
    said = run_app(export, f"--saved_model={SHIPPED}", "--format=web", f"--output_dir={out}")
    assert said.status == 0, said.err
    folder = out / "heads64" / "web"
    assert sum(file.stat().st_size for file in folder.iterdir()) < BYTES
    return (folder / "index.html").as_uri()


@pytest.fixture
def page(browser, address):
    page, said = browser.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    # What would leave the page.
    page.on("request", lambda request: said.append(request.url))
    page.goto(address)
    page.wait_for_function("Number(document.body.dataset.drawn) > 0")
    yield page
    page.close()
    assert [text for text in said if not text.startswith(("file:", "data:", "blob:"))] == []


def start_camera(page):
    page.click("#camera")
    page.wait_for_function(
        "live.stream && live.video.videoWidth && drawn.photograph", timeout=60000
    )


def frames_of(content):
    with Image.open(io.BytesIO(content)) as animation:
        found = []
        for number in range(animation.n_frames):
            animation.seek(number)
            found.append(np.asarray(animation.convert("RGB"), float))
        return np.stack(found), animation.info


def saved(page, click):
    with page.expect_download() as download:
        page.click(click)
    return Path(download.value.path()).read_bytes()


def test_an_expression_is_seen_on_a_painted_face(page):
    assert not page.is_visible("#camera-tools") and not page.is_visible("#photograph")
    start_camera(page)
    assert page.is_visible("#photograph")
    # The face that is painted has the geometry that the encoder sees, and another appearance.
    found = page.evaluate(
        """async () => {
          const seen = [];
          for (let k = 0; k < 6; k++) {
            seen.push([...state.start.geometry]);
            await new Promise((resolve) => setTimeout(resolve, 400));
          }
          return { seen, appearance: latentsNow().appearance, guess: guess(cameraSquare().values) };
        }"""
    )
    geometry = np.array(found["seen"])
    assert np.ptp(geometry, axis=0).max() > 0.3
    apart = np.subtract(found["appearance"], found["guess"]["appearance"])
    assert np.abs(apart).max() > 0.3
    before = found["appearance"]
    page.click("#another")
    assert np.abs(np.subtract(page.evaluate("latentsNow().appearance"), before)).max() > 0.1
    # With a neutral face the mean geometry moves, and the sliders add to it.
    page.click("#neutral")
    assert page.get_attribute("#neutral", "aria-pressed") == "true"
    home = page.evaluate("meanLatents().geometry")
    neutral = page.evaluate(
        """() => { live.geometry = live.neutral = [...live.geometry];
        followExpression(cameraSquare().values); return [live.geometry, live.neutral,
        state.start.geometry]; }"""
    )
    wanted = np.add(home, np.subtract(neutral[0], neutral[1]))
    np.testing.assert_allclose(neutral[2], wanted, atol=1e-5)
    page.wait_for_function("live.frames > 0")
    page.click("#camera")
    assert not page.is_visible("#photograph") and page.evaluate("live.stream") is None
    assert page.evaluate("latentsNow().geometry") == home


def test_the_camera_is_mirrored_and_what_it_shows_is_guessed(page, painted):
    start_camera(page)
    error = page.evaluate(
        """() => { const { values } = cameraSquare(), { picture } = compute(guess(values));
        return values.reduce((sum, value, i) => sum + (value - picture[i]) ** 2 / 4, 0); }"""
    )
    # Painted heads, through a video: an empty wall would have hundreds.
    assert error < 120
    square = np.array(page.evaluate("Array.from(cameraSquare().values)")).reshape(64, 64, 3)
    plain = (square[:, ::-1] + 1) * 127.5
    nearest = np.abs(painted[1] - plain).mean((1, 2, 3)).min()
    assert nearest < 12 < np.abs(painted[1] - plain[:, ::-1]).mean((1, 2, 3)).min()


def test_sliders_move_the_picture_of_the_camera(page):
    page.select_option("#mode", "warp")
    start_camera(page)
    # Both pictures are of one frame. Without a step it is what the camera sees.
    page.evaluate("live.video.pause()")
    page.wait_for_function("live.video.paused && !live.video.seeking")
    difference = """() => {
      const { width, height } = warpedCamera();
      const bytes = moved.getContext("2d").getImageData(0, 0, width, height).data;
      const seen = cameraSquare(width).data.data;
      return bytes.reduce((sum, value, i) => sum + Math.abs(value - seen[i]), 0) / width ** 2; }"""
    assert page.evaluate(difference) < 12
    page.focus("#geometry-1")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(difference) > 24


def test_a_picture_of_the_camera_is_taken_apart_and_morphed(page):
    start_camera(page)
    page.click("#snap")
    page.wait_for_function("byId('status').textContent.includes('camera 1: squared error')")
    assert page.is_visible("#photograph") and page.evaluate("live.stream") is None
    page.select_option("#along", label="morph to Average")
    frames, info = frames_of(saved(page, "#save-animation"))
    assert frames.shape[1:] == (192, 192, 3) and len(frames) == 60 and info["loop"] == 0
    # The colors are those of the page, as near as 255 of them can be; there and back.
    shown = page.evaluate(
        """() => Array.from(bytesOf(asCanvas(compute(framesNow()[0]).picture, MODEL.side)))"""
    )
    first = np.reshape(shown, (192, 192, 4))[..., :3]
    assert np.abs(frames[0] - first).mean() < 4
    np.testing.assert_array_equal(frames[1], frames[-1])
    assert np.abs(frames[30] - frames[0]).mean() > 3


def test_what_is_done_is_recorded(page):
    page.click("#record")
    page.focus("#geometry-1")
    for _ in range(15):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(40)
    page.wait_for_timeout(500)
    frames, _ = frames_of(saved(page, "#record"))
    assert 2 <= len(frames) <= 100 and np.abs(frames[-1] - frames[0]).mean() > 2
    assert page.get_attribute("#record", "aria-pressed") == "false"


def test_samples_are_drawn_by_their_seeds_as_the_training_latents_are_spread(page, painted):
    page.wait_for_selector("#drawn button")
    assert page.eval_on_selector_all("#drawn button", "all => all.length") == 6
    same = "JSON.stringify(drawLatents(5)) === JSON.stringify(drawLatents(%d))"
    assert page.evaluate(same % 5) and not page.evaluate(same % 6)
    found = page.evaluate("Array.from({ length: 2000 }, (_, k) => drawLatents(k).geometry)")
    latents = exported.load(SHIPPED).latents["geometry"]
    np.testing.assert_allclose(np.mean(found, 0), latents.mean(0), atol=0.1)
    np.testing.assert_allclose(np.cov(found, rowvar=False), np.cov(latents, rowvar=False), atol=0.2)


def test_frames_and_photographs_take_little_time(page, capsys):
    start_camera(page)
    page.wait_for_timeout(1000)
    rate = page.evaluate(
        """async () => { let begun = live.frames, seen = 0; const start = performance.now();
        // The page sets its count back every second.
        while (performance.now() - start < 3000) {
          await new Promise((resolve) => requestAnimationFrame(resolve));
          if (live.frames !== begun) seen++;
          begun = live.frames;
        }
        return seen / 3; }"""
    )
    seconds = page.evaluate(
        """async () => { const { canvas } = cameraSquare();
        const blob = await new Promise((resolve) => canvas.toBlob(resolve));
        await stopCamera();
        const start = performance.now();
        await takePhotograph(new File([blob], "a.png"));
        return (performance.now() - start) / 1000; }"""
    )
    with capsys.disabled():
        print(f"\n{rate:.0f} frames a second; a photograph is taken apart in {seconds:.2f} s")
    # What a busy machine still does.
    assert rate > 3 and seconds < 5


def test_a_camera_that_is_refused_is_told(page):
    page.evaluate(
        """() => { navigator.mediaDevices.getUserMedia = () =>
        Promise.reject(new Error("Permission denied")); }"""
    )
    page.click("#camera")
    page.wait_for_function(
        "byId('status').textContent === 'The camera cannot be used: Permission denied.'"
    )
    assert page.inner_text("#camera") == "Use the camera" and not page.is_visible("#camera-tools")
    page.focus("#geometry-1")
    before = page.evaluate("byId('picture').toDataURL()")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("!drawing")
    assert page.evaluate("byId('picture').toDataURL()") != before
