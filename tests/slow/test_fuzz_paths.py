"""Folders of any name go through train, resume, pack, export and infer; fresh removes its own."""

import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mutations import for_a_while, fuzz
from PIL import Image

from dgn_tf import export, infer, pack, train
from dgn_tf.runs.directory import Run
from dgn_tf.training.callbacks import read_metrics
from dgn_tf.utils.ownership import RECORD, files_under

# What shells, patterns and formats read something into, and letters that are no ASCII.
_MARKS = "ab1[]*?\\!^{}()'\"%#$&;:,=+@ü日 \t-~."
NAMES = (
    st.text(st.sampled_from(_MARKS), min_size=1, max_size=12)
    .filter(lambda name: name.strip(". ") and not name.startswith("~"))
    .filter(lambda name: "\t" not in name)
)
QUICK = ("--steps=10", "--starts=1")


def works(said):
    assert said.status == 0, said.err


def test_folders_of_any_name_go_through_every_program(run_app, tiny_run):
    settings = [s for s in tiny_run.command if not s.startswith(("--data=", "--epochs="))]

    @fuzz(6)
    @given(NAMES, NAMES, st.lists(NAMES, max_size=3))
    def test(name, data_name, decoys):
        with tempfile.TemporaryDirectory() as temporary:
            root = Path(temporary)
            for decoy in {*decoys} - {name}:
                shutil.copytree(tiny_run.folder, root / "runs" / decoy)
            data, run = root / "data" / data_name, root / "runs" / name
            data.mkdir(parents=True)
            for number in range(4):
                pixels = np.random.default_rng(number).integers(0, 256, (32, 32), np.uint8)
                Image.fromarray(pixels).save(data / f"{number}.png")
            command = (*settings, f"--run_dir={run}")
            works(run_app(train, *command, f"--data=folder:{data}", "--epochs=1"))
            works(run_app(train, *command, f"--data={data}", "--epochs=2"))
            assert [row["step"] for row in read_metrics(run / "metrics.jsonl")] == [1, 2]
            packed, size = root / "packed" / data_name, ("--side=32", "--channels=1")
            works(run_app(pack, f"--data={data}", *size, f"--output={packed}"))
            works(run_app(train, *command, f"--data=shards:{packed}", "--epochs=3"))
            models = root / "models" / name
            given = f"--run_dir={run}"
            works(run_app(export, given, f"--output_dir={models}", "--name=m"))
            out = ("--overwrite", f"--output_dir={root / 'out' / name}")
            works(run_app(infer, given, f"--data={packed}", *out, *QUICK))
            works(run_app(infer, f"--saved_model={models}/m", f"--data={data}", *out, *QUICK))

    for_a_while(test)


STRANGERS = st.lists(
    st.builds(
        lambda place, name: f"{place}{name}",
        st.sampled_from(
            (
                "",
                "samples/",
                "samples/latest/",
                "checkpoints/",
                "checkpoints/step-0000000009/",
                "tensorboard/train/",
                "evaluation/",
                "evaluation/held_out/",
                "mine/",
            )
        ),
        NAMES.map(lambda name: name.replace(".", "_") + ".txt"),
    ),
    unique=True,
    max_size=6,
)


def test_fresh_removes_what_a_run_wrote_and_nothing_else(tiny_run):
    @fuzz(200)
    @given(STRANGERS, st.booleans())
    def test(strangers, recorded):
        with tempfile.TemporaryDirectory() as temporary:
            run = Run(Path(temporary) / "run")
            shutil.copytree(tiny_run.folder, run.folder)
            if not recorded:
                for record in run.folder.rglob(RECORD):
                    record.unlink()
            for name in strangers:
                (run / name).parent.mkdir(parents=True, exist_ok=True)
                (run / name).write_text(name)
            run.check(run.config(), fresh=True)
            run.lock()
            kept = run.clear()
            # In a checkpoint they stay under a name that is no checkpoint's.
            moved = {
                n: re.sub("^checkpoints/(step-[0-9]{10,}/)", r"checkpoints/kept-\1", n)
                for n in strangers
            }
            assert sorted(kept) == sorted(moved.values())
            assert set(files_under(run.folder)) == {*moved.values(), ".lock", RECORD}
            for name, place in moved.items():
                assert (run / place).read_text() == name

    for_a_while(test)
