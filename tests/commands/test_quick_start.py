"""Help and mistakes are answered before TensorFlow is imported, which takes seconds."""

import dataclasses
import os
import subprocess
import sys

import pytest

from dgn_tf.config import Config, DataConfig

SLOW = {"tensorflow", "keras", "tensorflow_datasets", "sklearn", "matplotlib"}
# What each command needs at least, for mistakes that come after it.
NEEDED = {
    "train": ["--run_dir=new"],
    "infer": ["--run_dir=run", "--output_dir=new", "--data=photos"],
    "sample": ["--run_dir=run"],
    "morph": ["photos/a.png", "photos/a.png", "--run_dir=run"],
    "drive": ["--face=photos/a.png", "--video=photos/a.png", "--run_dir=run"],
    "evaluate": ["--run_dir=run"],
    "transfer": ["--run_dir=new"],
    "amortise": ["--run_dir=run"],
    "prepare": ["photos", "new"],
    "pack": ["--data=photos", "--output=new"],
    "export": ["--run_dir=run"],
    "explore": ["--run_dir=run"],
    "benchmark": [],
}
COMMANDS = tuple(NEEDED)
# Runs a command as `python -m` does, and tells in its last line which slow modules it imported.
PROGRAM = (
    f"""
SLOW = {SLOW!r}
"""
    + """
import importlib, sys
from dgn_tf.cli.app import run_app
name, *sys.argv[1:] = sys.argv[1:]
try:
    importlib.import_module(f"dgn_tf.{name}").main_cli()
finally:
    print("IMPORTED", sorted(SLOW & set(sys.modules)))
"""
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run that is no more than its settings, and a folder for photographs."""
    root = tmp_path_factory.mktemp("place")
    (root / "run").mkdir()
    (root / "run" / "config.json").write_text(Config().to_json())
    memory = dataclasses.replace(Config(), data=DataConfig(data="memory"))
    (root / "memory").mkdir()
    (root / "memory" / "config.json").write_text(memory.to_json())
    (root / "photos").mkdir()
    for name in ("photos/a.png", "ann, at home.png", "ben,eve.png"):
        (root / name).write_bytes(b"")
    (root / "file").write_text("")
    return root


def answer(place, *command):
    """Status, standard output and standard error of a command that imports nothing slow."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command],
        capture_output=True,
        text=True,
        cwd=place,
        check=False,
    )
    *lines, imported = done.stdout.splitlines()
    assert imported == "IMPORTED []", (command, done.stderr)
    return done.returncode, "\n".join(lines), done.stderr


def refused(place, *command):
    """The one line that a command refuses with."""
    status, out, err = answer(place, *command)
    assert (status, out) == (2, "") and err.startswith("error: ") and err.count("\n") == 1, err
    return err.removeprefix("error: ").rstrip()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_comes_at_once_and_fits_on_a_screen(place, name):
    status, out, _ = answer(place, name, "--help")
    lines = out.splitlines()
    assert status == 0 and "\n  --" in out and lines[-1].endswith("--help=all")
    assert len(lines) <= 40 and max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", COMMANDS)
def test_help_that_nobody_reads_ends_quietly(name):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", f"dgn_tf.{name}", "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_typo_is_told_at_once(place, name):
    needed = NEEDED[name]
    flag = "--sidee=32" if name in ("train", "prepare", "pack", "transfer") else "--zzzz=1"
    assert refused(place, name, *needed, flag).startswith("Unknown command line flag ")
    line = refused(place, name, *needed, "--flagfile=missing.cfg")
    assert line.startswith("Unable to open flagfile: [Errno 2]")


def changed(name, flag):
    """What a command needs, but with another value of one of the flags."""
    prefix = flag.partition("=")[0] + "="
    return [name, *(each for each in NEEDED[name] if not each.startswith(prefix)), flag]


NOT_THERE = [
    (changed("train", "--data=missing"), "missing does not exist: give a folder of images"),
    (changed("train", "--data=file"), "file holds no data: give a folder"),
    (["train", "--run_dir=memory", "--epochs=9"], "--data=memory: this run learned from arrays"),
    (["amortise", "--run_dir=memory"], "`data=memory`: this run learned from arrays"),
    (["train", "--run_dir=run", "--side=32"], "--run_dir=run was begun with other settings (--si"),
    (changed("train", "--run_dir=file/new"), "--run_dir=file/new cannot be written: Not a dir"),
    (changed("train", "--run_dir=caf\udce9"), "--run_dir=caf\\udce9 is not UTF-8"),
    (changed("train", "--init_from=missing"), "--init_from=missing holds no run"),
    (changed("train", "--log=comet"), "--log=comet: must be some of wandb,mlflow."),
    (changed("train", "--log=wandb"), "--log=wandb needs wandb: pip install"),
    (changed("train", "--validation=1"), "--validation=1.0: must be at least 0 and below 1."),
    (changed("infer", "--run_dir=missing"), "--run_dir=missing holds no run: it has no config"),
    (changed("infer", "--data=missing"), "missing does not exist: give a folder of images"),
    (
        ["infer", "--saved_model=missing", "--output_dir=new", "--data=photos"],
        "--saved_model=missing holds no exported model",
    ),
    (
        ["infer", "--run_dir=run", "--output_dir=new", "--recombine=file,missing.jpg"],
        "--recombine=missing.jpg: there is no such file or folder.",
    ),
    (
        ["infer", "--run_dir=run", "--output_dir=new", "--recombine=file,ann, at home.png"],
        "--recombine=ann: there is no such file. Write a name with commas in double quotes, inside "
        "of others for the shell: --recombine='\"ann, at home.png\",...'.",
    ),
    (
        ["infer", "--run_dir=run", "--edit=geometry:1=2", "--warp_image=ben,eve.png"],
        "--warp_image=ben: there is no such file. Write a name with commas in double quotes",
    ),
    (changed("infer", "--output_dir=photos"), "--output_dir=photos is not empty: name another, or"),
    (
        [*changed("infer", "--output_dir=photos"), "--overwrite"],
        "--output_dir=photos is not empty, and holds no .dgn_tf.json that says it is",
    ),
    (changed("infer", "--output_dir=file/new"), "--output_dir=file/new cannot be written: "),
    (changed("sample", "--run_dir=missing"), "--run_dir=missing holds no run"),
    (changed("sample", "--output=a.bmp"), "--output=a.bmp: must end in one of .png, .gif, .mp4."),
    (changed("sample", "--output=photos/a.png"), "--output=photos/a.png exists: name another"),
    (changed("sample", "--output=file/a.png"), "the folder of --output=file/a.png, is a file"),
    (changed("sample", "--seeds=5-2"), "--seeds=5-2: must be numbers such as 0-15"),
    (changed("sample", "--seeds=0-9999"), "--seeds=0-9999: must be at most 1024 numbers."),
    (changed("morph", "--run_dir=missing"), "--run_dir=missing holds no run"),
    (
        ["morph", "photos/a.png", "--run_dir=run"],
        "two or more images are needed, and there is one, photos/a.png: dgn morph ann.jpg ben.jpg",
    ),
    (["morph", "photos/a.png", "b.png", "--run_dir=run"], "b.png: there is no such file or folder"),
    (changed("morph", "--output=a.bmp"), "--output=a.bmp: must end in one of .png, .gif, .mp4."),
    (changed("drive", "--run_dir=missing"), "--run_dir=missing holds no run"),
    (changed("drive", "--face=missing.jpg"), "--face=missing.jpg: there is no such file or folder"),
    (changed("drive", "--video=missing"), "--video=missing: there is no such file or folder"),
    (changed("evaluate", "--run_dir=missing"), "--run_dir=missing holds no run"),
    (changed("evaluate", "--data=missing"), "missing does not exist: give a folder of images"),
    (changed("evaluate", "--experiment=held"), "--experiment=held: must be one of adversarial,"),
    (
        ["evaluate", "--run_dir=run", "--experiment=adversarial", "--rival=missing"],
        "--rival=missing holds no run",
    ),
    (
        ["evaluate", "--run_dir=run", "--experiment=expressions", "--labels=missing.csv"],
        "--labels=missing.csv: there is no such file or folder.",
    ),
    (
        ["evaluate", "--run_dir=run", "--experiment=basis", "--views=missing"],
        "missing does not exist: give a folder of images",
    ),
    (["evaluate", "--run_dir=memory"], "--data is needed: this run learned from arrays in memory"),
    (["evaluate", "--run_dir=run", "--experiment=clips"], "--experiment=clips is for clips, but"),
    (["evaluate", "--run_dir=run", "--data=heads"], "--data=heads is what the run was trained on"),
    (changed("transfer", "--data=missing"), "missing does not exist: give a folder of images"),
    (changed("transfer", "--target=missing"), "missing does not exist: give a folder of images"),
    (changed("transfer", "--run_dir=file/new"), "--run_dir=file/new cannot be written: "),
    (changed("amortise", "--run_dir=missing"), "--run_dir=missing holds no run"),
    (["prepare", "missing", "new"], "folder "),
    (["prepare", "photos", "file/new"], "file/new cannot be written: "),
    (changed("pack", "--data=missing"), "missing does not exist: give a folder of images"),
    (changed("pack", "--output=caf\udce9"), "--output=caf\\udce9 is not UTF-8"),
    (changed("pack", "--output=file/new"), "--output=file/new cannot be written: "),
    (changed("export", "--run_dir=missing"), "--run_dir=missing holds no run"),
    (
        ["export", "--run_dir=run", "--output_dir=file/new"],
        "--output_dir=file/new cannot be written: ",
    ),
    (changed("explore", "--run_dir=missing"), "--run_dir=missing holds no run"),
    (["benchmark", "--parts=step"], "--parts=step: must be some of steps,warps"),
    (["benchmark", "--output=missing/a.json"], "--output=missing/a.json: must be a file in a"),
]


# Everything is wrong: the model is told first, then what is read, then what is written.
_MODEL, _NO_MODEL = "--run_dir=missing holds no run", "give either --run_dir, a training run, or "
_NEEDED = "--run_dir is needed: the folder of a training run."
ORDER = [
    (["sample", "--output=a.bmp", "--seeds=x"], _NO_MODEL),
    (["morph", "--output=a.bmp"], _NO_MODEL),
    (["morph", "--run_dir=run", "--output=a.bmp"], "two or more images are needed, and there is n"),
    (["morph", "a.png", "b.png", "--run_dir=run", "--output=a.bmp"], "a.png: there is no such"),
    (["drive", "--output=a.bmp"], _NO_MODEL),
    (["drive", "--run_dir=run", "--output=a.bmp"], "--face is not given"),
    (
        ["drive", "--run_dir=run", "--output=a.bmp", "--face=a", "--video=b"],
        "--face=a: there is no such file or folder",
    ),
    (["infer"], _NO_MODEL),
    (["infer", "--run_dir=missing", "--warp_image=a.png"], _MODEL),
    (["infer", "--run_dir=run"], "give either image files, as in dgn infer ann.jpg, or --da"),
    (["infer", "b.png", "--run_dir=run"], "b.png: there is no such file or folder."),
    (
        ["infer", "b.png", "--run_dir=run", "--data=photos"],
        "give either image files, as in dgn inf",
    ),
    (["infer", "--run_dir=run", "--data=missing"], "missing does not exist: "),
    (["infer", "--run_dir=run", "--data=photos"], "--output_dir is needed: a folder for the"),
    (["evaluate"], _NEEDED),
    (["evaluate", "--run_dir=missing", "--experiment=held"], _MODEL),
    (["amortise"], _NEEDED),
    (["export", "--output_dir=file/new"], _NO_MODEL),
    (["train", "--data=missing", "--run_dir=file/new"], "missing does not exist: "),
    (["train"], "--run_dir is needed: the folder to write the run to."),
    (["transfer", "--data=missing"], "missing does not exist: "),
    (["transfer"], "--run_dir is needed: a folder for all runs and the report."),
    (["pack", "--data=missing", "--output=photos"], "missing does not exist: "),
    (["pack"], "--output is needed"),
    (["prepare", "missing", "file/new"], "folder "),
]


@pytest.mark.parametrize(("command", "message"), [*NOT_THERE, *ORDER])
def test_what_is_not_there_is_told_at_once(place, command, message):
    assert refused(place, *command).startswith(message)


def test_every_command_is_asked():
    assert {command[0] for command, _ in NOT_THERE} == set(COMMANDS) == set(NEEDED)
