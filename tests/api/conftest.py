"""A small model that has been trained once, for all tests of the front door."""

import types

import numpy as np
import pytest

import dgn_tf as dgn

# The least that has everything: geometry, an encoder, directions and statistics.
SMALL = {
    "alpha": 0.1,
    "appearance_dim": 3,
    "geometry_dim": 3,
    "batch_size": 4,
    "picture_epochs": 99,
}


@pytest.fixture(autouse=True)
def no_determinism(monkeypatch):
    """For good, and so for the tests after this one too, if it were not left out."""
    monkeypatch.setattr("tensorflow.config.experimental.enable_op_determinism", lambda: None)


@pytest.fixture(scope="session")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def trained(tmp_path_factory, pixels):
    """A model, what it learned from, its history and the folder of its run."""
    folder = tmp_path_factory.mktemp("api") / "faces"
    train, held_out = dgn.load_images(pixels, side=32).split(0.25)
    model = dgn.DeformableGenerator.from_preset("debug", **SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tensorflow.config.experimental.enable_op_determinism", lambda: None)
        history = model.fit(train, epochs=2, validation_data=held_out, run_dir=folder, verbose=0)
    return types.SimpleNamespace(
        model=model, train=train, held_out=held_out, history=history, folder=folder
    )


@pytest.fixture(scope="session")
def z(trained):
    return trained.model.infer(trained.held_out, steps=10)
