"""A generator of Python exported for servers, and loaded again."""

import numpy as np
import pytest

import dgn_tf as dgn

pytestmark = pytest.mark.slow


def test_an_export_is_the_same_generator(tmp_path):
    model = dgn.DeformableGenerator.from_preset("debug", alpha=0.1, batch_size=4)
    images = np.random.default_rng(0).random([8, 32, 32, 3])
    model.fit(images, epochs=1, verbose=0)
    version = model.export(tmp_path / "heads")
    assert version == tmp_path / "heads" / "1"
    loaded = dgn.load(tmp_path / "heads")
    np.testing.assert_array_equal(loaded.sample(3, seed=2), model.sample(3, seed=2))
    assert repr(loaded.directions) == repr(model.directions)
    assert loaded.known.statistics.mean_errors is not None
