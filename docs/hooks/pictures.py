"""Paints the pictures of README.md with the models that come with the project.

Usage: python docs/hooks/pictures.py, in the project's folder. They are kept in docs/images.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dgn_tf.config import DataConfig, InferenceConfig
from dgn_tf.config.edits import parse_edit
from dgn_tf.data.sources import load
from dgn_tf.inference.encoder import make_inference
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
TRAINED = load_trained(None, str(ROOT / "saved_models" / "heads64"))
MODEL, FACTOR = TRAINED.model, 2
# The first direction of the faces, by looking at it.
_TURNED = "geometry:1=-2"


def inferred(images: np.ndarray) -> LatentArrays:
    """Latents of bytes [N, 64, 64, 3]."""
    encoder = TRAINED.encoder()
    settings = InferenceConfig().resolved(TRAINED.config.learning, encoder is not None)
    return make_inference(MODEL, settings, encoder)(images / np.float32(127.5) - 1)


def edited(z: LatentArrays, *edits: str) -> LatentArrays:
    """Latents moved as `--edit` moves them."""
    return apply_edits(z, [parse_edit(text) for text in edits], TRAINED.directions or {})


def painted(z: LatentArrays, factor: int = FACTOR) -> np.ndarray:
    """The images of latents, bytes [N, H, W, 3]."""
    return as_images(decode(MODEL, z)[0], factor)


def row(z: LatentArrays, k: int) -> LatentArrays:
    """The latents of one example."""
    return {name: value[k : k + 1] for name, value in z.items()}


def hero(seeds: tuple[int, int]) -> None:
    """A painted face, what it is made of, and what can be done with it; `dgn sample` shows more."""
    faces = load_trained(None, str(ROOT / "saved_models" / "portraits64"))
    statistics, directions = faces.statistics, faces.directions
    assert statistics is not None and directions is not None
    one, other = (statistics.sample(1, seed) for seed in seeds)

    def face(z: LatentArrays) -> np.ndarray:
        return as_images(decode(faces.model, z)[0], 3)

    def moved(edit: str) -> np.ndarray:
        return face(apply_edits(one, [parse_edit(edit)], directions))

    made, parts = decode(faces.model, one)
    panels = {
        "painted": face(one),
        "its appearance": as_images(parts["appearance"], 3),
        "its geometry": draw_grid(made, parts["geometry"], 3),
        "turned": moved(_TURNED),
        "wider": moved("geometry:widen=3"),
        "another": face(other),
        "its geometry here": face({**one, "geometry": other["geometry"]}),
    }
    save_png(
        IMAGES / "hero.png", lay_out([np.concatenate(list(panels.values()))], [""], list(panels))
    )


def thumbnails(images: np.ndarray, z: LatentArrays) -> None:
    """Six squares for the table of README.md."""
    made, parts = decode(MODEL, z)
    chosen = slice(0, 3)
    apart = np.concatenate(
        [
            np.concatenate(list(strip), axis=1)
            for strip in (
                as_images(images[chosen], FACTOR),
                as_images(parts["appearance"][chosen], FACTOR),
                draw_grid(made[chosen], parts["geometry"][chosen], FACTOR),
            )
        ]
    )
    save_png(IMAGES / "apart.png", apart)
    one = row(z, 0)
    moved = [
        [painted(edited(one, f"geometry:{name}={step}"))[0] for step in (-2, 0, 2)]
        for name in ("rotate", "shift y", "widen")
    ]
    save_png(IMAGES / "edit.png", _tiled(moved))
    board = as_images(recombine(MODEL, {name: value[1:4] for name, value in z.items()}), FACTOR)
    save_png(IMAGES / "board.png", _tiled(board))
    shares = np.linspace(0, 1, 9)
    path = {n: np.stack([(1 - s) * v[0] + s * v[2] for s in shares]) for n, v in z.items()}
    save_png(IMAGES / "morph.png", _tiled(painted(path).reshape(3, 3, 128, 128, 3)))
    drawing = _cat(128)
    mean = {
        name: value.mean(axis=0, keepdims=True) for name, value in (TRAINED.chains or {}).items()
    }
    middle = decode(MODEL, mean)[1]["geometry"][0]

    def warped(edit: str) -> np.ndarray:
        field = decode(MODEL, edited(mean, edit))[1]["geometry"][0]
        return warp_photograph(drawing, field - middle)

    edits = [[f"geometry:{n}={v}" for v in (-2, 0, 2)] for n in ("rotate", "shift y", "widen")]
    save_png(IMAGES / "warp.png", _tiled([[warped(edit) for edit in line] for line in edits]))
    with Image.open(IMAGES / "explorer.png") as page:
        edge = min(page.size)
        square = page.convert("RGB").crop((0, 0, edge, edge))
    small = square.resize((384, 384), Image.Resampling.LANCZOS)
    save_png(IMAGES / "explorer_small.png", np.asarray(small))


def _tiled(rows: list[list[np.ndarray]] | np.ndarray) -> np.ndarray:
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
    images = load(DataConfig(data="heads:test", side=64, limit=24)).images[:]
    chosen = images[[12, 3, 6, 9, 20, 7]]
    z = inferred(chosen)
    hero((0, 16))
    thumbnails(chosen, z)


if __name__ == "__main__":
    main()
