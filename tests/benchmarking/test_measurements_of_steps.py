"""The parts of the benchmark against closed forms: warps, operations, memory, growth, charts."""

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.benchmarking import charts, peak, phases, scaling, tables, warps
from dgn_tf.benchmarking.timing import interleaved_timings, ratios, spread
from dgn_tf.benchmarking.warps import TARGETS, dense_warp, op_by_op_warp
from dgn_tf.config import Config, DataConfig, ModelConfig, TrainingConfig
from dgn_tf.ops.warp import warp

TINY = Config(
    DataConfig(side=32),
    ModelConfig(appearance_dim=2, geometry_dim=3, alpha=0.25),
    TrainingConfig(batch_size=2, langevin_steps=4),
)


@pytest.mark.parametrize(("rival", "border"), [(op_by_op_warp, "edge"), (dense_warp, "zeros")])
def test_the_other_warps_are_the_warp(rival, border):
    rng = np.random.default_rng(0)
    image = tf.constant(rng.uniform(-1, 1, (2, 5, 7, 3)), tf.float32)
    # Far enough to leave the image, on all sides.
    displacement = tf.constant(rng.uniform(-6, 6, (2, 5, 7, 2)), tf.float32)
    results = []
    for function in (lambda x, field: warp(x, field, border), rival):
        with tf.GradientTape() as tape:
            tape.watch([image, displacement])
            output = function(image, displacement)
            energy = tf.reduce_sum(tf.square(output))
        results.append([output, *tape.gradient(energy, [image, displacement])])
    for mine, other in zip(*results, strict=True):
        assert np.abs(mine).max() > 0.1
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-5)


def test_operations_are_counted_as_by_hand():
    # Table IV at side 32: 2 -> 4x4x64a; 3x3 to 8x8x32a; 5x5 to 16x16x16a; 5x5 to 32x32xC.
    def by_hand(latent, wide, middle, narrow, channels):
        dense = latent * 16 * wide
        first = 16 * 9 * wide * middle
        return 2 * (dense + first + 64 * 25 * middle * narrow + 256 * 25 * narrow * channels)

    appearance, geometry = by_hand(2, 16, 8, 4, 3), by_hand(3, 64, 32, 16, 2)
    # 4 Langevin steps: each group is made and differentiated 4 times; z_a once more at the start;
    # learning is a pass and twice as much back.
    wanted = 2 * ((4 + 4 + 1 + 3) * appearance + (4 + 4 + 3) * geometry)
    assert peak.step_flops(TINY) == wanted


def test_a_power_law_has_its_exponent():
    sizes = [10, 30, 200]
    assert scaling.exponent(sizes, [7.0 * size**0.75 for size in sizes]) == pytest.approx(0.75)


def test_each_axis_changes_one_size():
    points = scaling.sweeps(TINY)
    assert {axis: list(sizes) for axis, sizes in points.items()} == {
        "langevin_steps": [1, 2, 4],
        "pixels": [32**2, 64**2],
        "batch_size": [1, 2, 4],
        "examples": [20, 200, 2000],
    }
    for axis, sizes in points.items():
        for size, (config, rows) in sizes.items():
            sized = {
                "langevin_steps": config.learning.langevin_steps,
                "pixels": config.data.side**2,
                "batch_size": config.learning.batch_size,
                "examples": rows or config.learning.batch_size,
            }
            others = {"langevin_steps": 1, "pixels": 1024, "batch_size": 2}
            assert sized[axis] == size
            assert all(sized[name] == value for name, value in others.items() if name != axis)


def test_an_epoch_is_its_steps(monkeypatch):
    times = {"20": [9.0, 2.0, 1.0], "200": [2.0, 2.0, 4.0], "2000": [5.0, 2.0, 1.0]}
    monkeypatch.setattr(scaling, "interleaved_timings", lambda calls, repeats: times)
    found = scaling.time_sweep(TINY, 3, "examples")
    assert found["seconds"] == [20.0, 200.0, 2000.0] and found["exponent"] == pytest.approx(1.0)
    assert found["images_per_second"] == [1.0, 1.0, 1.0]


def test_programs_take_turns_and_the_first_round_is_free():
    said = []
    times = interleaved_timings({"a": lambda: said.append("a"), "b": lambda: said.append("b")}, 2)
    assert said == ["a", "b"] * 3
    assert [len(values) for values in times.values()] == [2, 2]
    assert ratios({"a": [1.0, 3.0], "b": [2.0, 2.0]}, "a", "b") == [0.5, 1.5]
    assert spread([3.0, 1.0, 2.0]) == {"min": 1.0, "median": 2.0, "max": 3.0}


SWEEP = {
    "batch_size": {
        "sizes": [25, 50, 100, 200],
        "seconds": [0.5, 0.9, 1.8, 3.5],
        "images_per_second": [50.0, 55.6, 55.6, 57.1],
        "exponent": 0.94,
    },
    "examples": {
        "sizes": [1000, 10000],
        "seconds": [9.0, 90.0],
        "images_per_second": [111.1, 111.1],
        "exponent": 1.0,
    },
}
WARPS = {
    name: {
        "shape": [2, 32, 32, 3],
        "seconds": {t: {"ours": [0.001], other: [0.02]} for t in TARGETS},
    }
    for name, other in (("full", "op by op"), ("reduced", "dense Eq. 4"))
}
PHASES = {"step": 2.0, "phases": {"noise": 0.5, "learning": 1.6, "rest": -0.1}}


@pytest.mark.parametrize(
    ("chart", "found"),
    [
        (scaling.chart, SWEEP),
        (warps.chart, WARPS),
        (phases.chart, PHASES),
    ],
)
def test_a_chart_is_an_image(chart, found):
    image = chart(found)
    assert image.dtype == np.uint8 and image.shape[2] == 3
    assert image.min() < 100 and np.mean(image == 255) > 0.5


def test_labels_of_logarithmic_axes_do_not_overlap():
    figure, canvas = charts.new_canvas((3.4, 3.4))
    panel = figure.subplots()
    panel.plot([25, 50, 100, 200], [0.31, 0.9, 1.8, 3.5])
    charts.log_axes(panel, [25, 50, 100, 200])
    canvas.draw()
    for axis, side in ((panel.xaxis, 0), (panel.yaxis, 1)):
        assert not axis.get_minorticklabels()
        low, high = axis.get_view_interval()
        ticks = [t for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
        boxes = sorted(t.label1.get_window_extent().get_points()[:, side].tolist() for t in ticks)
        assert len(boxes) >= 3
        assert all(one[1] < other[0] for one, other in zip(boxes, boxes[1:], strict=False))


def test_the_table_has_every_part():
    result = {
        "settings": {name: value for name, (value, _) in TINY.settings().items()},
        "machine": {"device": "a machine", "tensorflow": "2"},
        "warps": WARPS,
        "phases": PHASES,
        "peak": {"step": 1.0, "step_gflop": 60.0, "gflops": 60.0, "peak_gflops": 300.0},
        "memory": {"grown": None, "guessed": 5_000_000},
        "sweep": SWEEP,
    }
    text = tables.table(result)
    for line in (
        "One training step: batch 2, 32x32x3, l = 4, latents 2 + 3, alpha 0.25",
        "dense Eq. 4                      20.00     20.00     20.00",
        "learning                     1.600     80.0%",
        "networks: 60.0 GFLOP a step, 60 GFLOP/s, 20% of a matrix product's 300",
        "memory that a step takes: unknown on this system (guessed before: 5 MB)",
        "       10000      90.000       111.1",
    ):
        assert line in text.splitlines()
    assert "exponent 0.94" in text
