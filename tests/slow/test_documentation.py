"""What README.md and docs/ tell people to type, typed: every block that says of no need of more.

Commands run in this process, with stand-ins for what people have, and less of everything.
"""

import importlib
import shutil

import pytest
from markdown_blocks import ROOT, all_blocks
from PIL import Image

from dgn_tf.config import MODELS, DataConfig
from dgn_tf.data.sources import load

PAGES = sorted({block.page for block in all_blocks()})
SMALL = {
    "train": ("--limit=12", "--batch_size=6", "--alpha=0.1", "--picture_epochs=1000"),
    "infer": ("--steps=10",),
    "evaluate": ("--steps=10",),
    "morph": ("--steps=10", "--frames=2"),
}
# What makes nothing that could be less.
QUICK = ("--dry_run", "--warp_image")
# In Python: as much less of everything, and no detector, which finds no faces in drawn heads.
LESS = {
    '"faces64"': '"debug", alpha=0.1',
    "side=64": "side=32",
    "epochs=30": "epochs=1",
    ', align="eyes"': "",
}


@pytest.fixture(scope="module")
def belongings(tmp_path_factory):
    """A folder with what the pages take for granted."""
    folder = tmp_path_factory.mktemp("home")
    heads = load(DataConfig(data="heads:test", side=64, limit=20)).images[:]
    (folder / "photos").mkdir()
    for number, head in enumerate(heads):
        Image.fromarray(head).save(folder / "photos" / f"{number}.jpg", quality=95)
    for name, head in zip(("ann", "ben", "cat"), heads, strict=False):
        Image.fromarray(head).save(folder / f"{name}.jpg", quality=95)
    shutil.copytree(ROOT / "saved_models", folder / "saved_models")
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_works(page, belongings, tmp_path, monkeypatch, run_app):
    if page == "docs/extending.md" and "symmetric" not in MODELS:
        pytest.skip("of a copy of the project that tests/slow/test_extending.py makes")
    shutil.copytree(belongings, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for block in all_blocks():
        if block.page != page or block.needs or block.text.startswith("cp "):
            continue
        if block.language == "python" and not block.title:
            text = block.text
            for whole, less in LESS.items():
                text = text.replace(whole, less)
            exec(compile(text, str(block), "exec"), {"__name__": "documentation"})
        for words in block.commands() if block.language == "sh" else ():
            assert words[0] == "dgn", f"{block}: {words[0]} needs a marker, <!-- needs: ... -->"
            app = importlib.import_module(f"dgn_tf.{words[1]}")
            if not hasattr(app, "define_flags"):
                # Looks at the machine, and says whatever it finds there.
                continue
            quick = any(word.startswith(QUICK) for word in words)
            small = () if quick else SMALL.get(words[1], ())
            said = run_app(app, *words[2:], *small)
            assert said.status == 0, f"{block}: {' '.join(words)}\n{said.err}"
