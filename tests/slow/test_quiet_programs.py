"""A Python program hears nothing of TensorFlow, in a notebook too, where that logs more."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
{first}
import dgn_tf as dgn
import numpy as np

pixels = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
small = dict(alpha=0.1, appearance_dim=3, geometry_dim=3, batch_size=4, picture_epochs=99)
model = dgn.DeformableGenerator.from_preset("debug", **small)
model.fit(dgn.load_images(pixels, side=32), epochs=2, verbose=2)
model.infer(pixels[:2], steps=5)
model.save("faces.keras")
model.export("served")
model.export("faces.tflite")
model.export("page", format="web")
dgn.load("faces.keras").evaluate(dgn.load_images(pixels, side=32))
"""


@pytest.mark.parametrize("first", ["", "sys.ps1 = 'In : '"], ids=["script", "notebook"])
def test_it_says_how_far_it_is_and_nothing_else(tmp_path, first):
    inherited = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(first=first)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=inherited,
    )
    assert done.returncode == 0, done.stderr
    line, *warnings = done.stderr.splitlines()
    assert line.startswith("epoch 2/2  step 4/4  MSRE ")
    assert all("This model is hardly trained" in warning for warning in warnings)
    assert done.stdout == ""
