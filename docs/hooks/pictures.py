"""Paints the pictures of README.md, of people who do not exist, with the model that ships.

Usage: python docs/hooks/pictures.py, in the project's folder. They are kept in docs/images.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dgn_tf.config.edits import parse_edit
from dgn_tf.runs.trained import load_trained
from dgn_tf.types import LatentArrays
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.editing import apply_edits
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.images import as_images, lay_out, save_png
from dgn_tf.visualize.photographs import warp_photograph
from dgn_tf.visualize.sheets import recombine

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
FACES = load_trained(None, str(ROOT / "saved_models" / "portraits64"))
assert FACES.statistics is not None and FACES.directions is not None
MODEL, DIRECTIONS, FACTOR = FACES.model, FACES.directions, 2
# The faces of the thumbnails, chosen by looking at them.
SEEDS = (12, 16, 18, 21, 32, 3)
# The geometric directions that are shown, from one end to the other.
_MOVES = ("turn", "zoom", "widen")


def sampled(*seeds: int) -> LatentArrays:
    """Latents drawn as those of the training images are distributed."""
    drawn = [FACES.statistics.sample(1, seed) for seed in seeds]
    return {name: np.concatenate([z[name] for z in drawn]) for name in drawn[0]}


def edited(z: LatentArrays, *edits: str) -> LatentArrays:
    """Latents moved as `--edit` moves them."""
    return apply_edits(z, [parse_edit(text) for text in edits], DIRECTIONS)


def painted(z: LatentArrays, factor: int = FACTOR) -> np.ndarray:
    """The images of latents, bytes [N, H, W, 3]."""
    return as_images(decode(MODEL, z)[0], factor)


def row(z: LatentArrays, k: int) -> LatentArrays:
    """The latents of one example."""
    return {name: value[k : k + 1] for name, value in z.items()}


def hero(z: LatentArrays) -> None:
    """Of two faces, what one is made of and what can be done with it; `dgn sample` shows more."""
    one, other = row(z, 0), row(z, 1)
    made, parts = decode(MODEL, one)
    panels = {
        "painted": painted(one, 3),
        "its appearance": as_images(parts["appearance"], 3),
        "its geometry": draw_grid(made, parts["geometry"], 3),
        "turned": painted(edited(one, "geometry:turn=-2.5"), 3),
        "wider": painted(edited(one, "geometry:widen=2.5"), 3),
        "another": painted(other, 3),
        "its geometry here": painted({**one, "geometry": other["geometry"]}, 3),
    }
    save_png(
        IMAGES / "hero.png", lay_out([np.concatenate(list(panels.values()))], [""], list(panels))
    )


def thumbnails(z: LatentArrays) -> None:
    """Six squares for the table of README.md."""
    made, parts = decode(MODEL, {name: value[:3] for name, value in z.items()})
    strips = (
        as_images(made, FACTOR),
        as_images(parts["appearance"], FACTOR),
        draw_grid(made, parts["geometry"], FACTOR),
    )
    save_png(IMAGES / "apart.png", _tiled(strips))
    edits = [[f"geometry:{name}={step}" for step in (-2, 0, 2)] for name in _MOVES]
    save_png(
        IMAGES / "edit.png",
        _tiled([[painted(edited(row(z, 0), e))[0] for e in line] for line in edits]),
    )
    board = as_images(recombine(MODEL, {name: value[1:4] for name, value in z.items()}), FACTOR)
    save_png(IMAGES / "board.png", _tiled(board))
    shares = np.linspace(0, 1, 9)
    path = {n: np.stack([(1 - s) * v[0] + s * v[2] for s in shares]) for n, v in z.items()}
    save_png(IMAGES / "morph.png", _tiled(painted(path).reshape(3, 3, 128, 128, 3)))
    drawing = _cat(128)
    mean = {name: of_group.mean[None] for name, of_group in DIRECTIONS.items()}
    middle = decode(MODEL, mean)[1]["geometry"][0]

    def warped(edit: str) -> np.ndarray:
        field = decode(MODEL, edited(mean, edit))[1]["geometry"][0]
        return warp_photograph(drawing, field - middle)

    save_png(IMAGES / "warp.png", _tiled([[warped(edit) for edit in line] for line in edits]))
    with Image.open(IMAGES / "explorer.png") as page:
        edge = min(page.size)
        square = page.convert("RGB").crop((0, 0, edge, edge))
    small = square.resize((384, 384), Image.Resampling.LANCZOS)
    save_png(IMAGES / "explorer_small.png", np.asarray(small))


def _tiled(rows: Iterable[Iterable[np.ndarray]]) -> np.ndarray:
    return np.concatenate([np.concatenate(list(strip), axis=1) for strip in rows])


def _cat(side: int) -> np.ndarray:
    """A drawing of a cat, bytes [side, side, 3]."""
    scale = 4
    image = Image.new("RGB", (100, 100), (214, 226, 214)).resize((side * scale, side * scale))
    draw, unit = ImageDraw.Draw(image), side * scale / 100
    fur, dark, pink = (226, 151, 76), (60, 40, 30), (240, 160, 160)

    def shape(kind: str, *points: float, fill: tuple[int, int, int]) -> None:
        getattr(draw, kind)([unit * p for p in points], fill=fill)

    for x, tip in ((20, 16), (80, 84)):
        shape("polygon", x - 4, 48, tip, 8, 50, 30, fill=fur)
        shape("polygon", x, 38, tip + (50 - tip) * 0.12, 16, 50 + (x - 50) * 0.4, 30, fill=pink)
    shape("ellipse", 14, 22, 86, 90, fill=fur)
    for x in (35, 65):
        shape("ellipse", x - 9, 42, x + 9, 58, fill=(240, 250, 190))
        shape("ellipse", x - 3, 43, x + 3, 57, fill=dark)
    shape("polygon", 45, 63, 55, 63, 50, 69, fill=pink)
    for k, y in enumerate((66, 71, 76)):
        for sign in (-1, 1):
            ends = [50 + sign * 10, 69 + k, 50 + sign * 46, y - 2 + 2 * k]
            draw.line([unit * p for p in ends], fill=dark, width=round(unit * 0.8))
    for sign in (-1, 1):
        box = [50 + sign * 5 - 5, 66, 50 + sign * 5 + 5, 76]
        draw.arc([unit * p for p in box], 10, 170, fill=dark, width=round(unit))
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def main() -> None:
    """Paint all of them."""
    hero(sampled(21, 16))
    thumbnails(sampled(*SEEDS))


if __name__ == "__main__":
    main()
