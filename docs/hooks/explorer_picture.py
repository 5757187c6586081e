"""Takes docs/images/explorer.png: the explorer with faces that the model that ships has painted.

Usage: python docs/hooks/explorer_picture.py, in the project's folder, then pictures.py, which makes
its thumbnail. Needs playwright and Chromium.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "saved_models" / "portraits64"
# Of the six samples from SEED on: two to keep beside the one whose first slider is moved.
SEED, KEPT, MOVED = 16, (2, 0), 5


def main() -> None:
    """Start the explorer, choose faces, move the first slider and take the picture."""
    command = [sys.executable, "-m", "dgn_tf", "explore", f"--saved_model={MODEL}"]
    command += ["--port=0", "--noopen_browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        address = next(line.split()[4] for line in process.stdout if " at http" in line)
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = chromium.new_page(viewport={"width": 1280, "height": 860})
            page.goto(address)
            page.wait_for_selector("#drawn button >> nth=5")
            page.fill("#seed", str(SEED))
            page.press("#seed", "Enter")
            page.wait_for_timeout(3000)
            for number in (*KEPT, MOVED):
                page.click(f"#drawn button >> nth={number}")
                page.wait_for_timeout(1500)
                page.click("#keep")
            page.fill("#geometry-1", "-1.5")
            page.wait_for_timeout(3000)
            page.screenshot(path=ROOT / "docs" / "images" / "explorer.png")
            chromium.close()
        process.terminate()


if __name__ == "__main__":
    main()
