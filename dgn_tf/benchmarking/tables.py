"""The measurements as text."""

import statistics

from dgn_tf.benchmarking.timing import spread
from dgn_tf.benchmarking.warps import TARGETS


def table(result: dict) -> str:
    """What `dgn_tf.benchmark.measure` found as plain text, of the parts that it measured."""
    lines = [
        "One training step: batch {batch_size}, {side}x{side}x{channels}, l = {langevin_steps}, "
        "latents {appearance_dim} + {geometry_dim}, alpha {alpha:g}".format(**result["settings"]),
        "{device}, TensorFlow {tensorflow}".format(**result["machine"]),
    ]
    for part, rows in _PARTS.items():
        if part in result:
            lines += ["", *rows(result[part])]
    return "\n".join(lines)


def _steps(found):
    differences = ", ".join(f"{name} {value:.1e}" for name, value in found["differences"].items())
    yield f"{'step':<24}{'median s':>10}{'min s':>10}{'images/s':>10}"
    for name, times in found["seconds"].items():
        rate = found["images_per_second"][name]
        yield f"{name:<24}{statistics.median(times):>10.3f}{min(times):>10.3f}{rate:>10.1f}"
    low, middle, high = spread(found["ratios"]).values()
    yield (
        f"{'ours / obvious':<24}{middle:>10.3f}   "
        f"(median of {len(found['ratios'])} pairs, {low:.3f} to {high:.3f})"
    )
    yield f"9 of 10 numbers differ, after few Langevin steps, by at most: {differences}"


def _warps(found):
    for measured in found.values():
        batch, height, width, channels = measured["shape"]
        title = f"warp, ms, {batch} x {height}x{width}x{channels}"
        yield f"{title:<28}" + "".join(f"{target:>10}" for target in TARGETS)
        for name in measured["seconds"]["forward"]:
            medians = [1e3 * statistics.median(measured["seconds"][t][name]) for t in TARGETS]
            yield f"{name:<28}" + "".join(f"{value:>10.2f}" for value in medians)


def _phases(found):
    yield f"{'phase of our step':<24}{'s':>10}{'share':>10}"
    for name, seconds in found["phases"].items():
        yield f"{name:<24}{seconds:>10.3f}{seconds / found['step']:>10.1%}"


def _peak(found):
    share = found["gflops"] / found["peak_gflops"]
    yield (
        f"networks: {found['step_gflop']:.1f} GFLOP a step, {found['gflops']:.0f} GFLOP/s, "
        f"{share:.0%} of a matrix product's {found['peak_gflops']:.0f}"
    )


def _memory(found):
    grown = "not told by this system" if found["grown"] is None else _megabytes(found["grown"])
    yield f"memory that a step takes: {grown} (guessed before: {_megabytes(found['guessed'])})"


def _megabytes(count):
    return f"{count / 1e6:.0f} MB"


def _sweep(found):
    for axis, measured in found.items():
        unit = "epoch" if axis == "examples" else "step"
        grows = "" if measured["exponent"] is None else f"   exponent {measured['exponent']:.2f}"
        yield f"{axis + f', s a {unit}, images/s':<36}{grows}"
        columns = (measured[key] for key in ("sizes", "seconds", "images_per_second"))
        for size, seconds, rate in zip(*columns, strict=True):
            yield f"{size:>12}{seconds:>12.3f}{rate:>12.1f}"


_PARTS = {
    "steps": _steps,
    "warps": _warps,
    "phases": _phases,
    "peak": _peak,
    "memory": _memory,
    "sweep": _sweep,
}
