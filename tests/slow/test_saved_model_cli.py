"""The official command line tool for SavedModels runs what the project ships."""

import pathlib
import subprocess
import sys

import numpy as np

from dgn_tf.serving import exported

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "saved_models" / "heads64" / "2"


def test_the_official_tool_runs_the_shipped_model(tmp_path):
    tool = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "run"]
    shipped = exported.load(SHIPPED)
    z = {name: values[:2] for name, values in shipped.latents.items()}
    np.savez(tmp_path / "z.npz", **z)
    inputs = ";".join(f"z_{name}={tmp_path}/z.npz[{name}]" for name in z)
    chosen = ["--dir", SHIPPED, "--tag_set", "serve", "--signature_def", "serving_default"]
    subprocess.run([*tool, *chosen, "--inputs", inputs, "--outdir", tmp_path], check=True)
    found, wanted = np.load(tmp_path / "image.npy"), (shipped.model(z) + 1) / 2
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
