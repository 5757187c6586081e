"""What dgn_tf.sample and dgn_tf.morph paint, and what they say of it."""

import numpy as np
import pytest
from PIL import Image

from dgn_tf import morph, sample
from dgn_tf.utils.painted import is_painted
from dgn_tf.visualize.images import save_png

QUICK = ("--steps=10", "--starts=1")


@pytest.fixture(scope="module")
def photographs(served, tmp_path_factory):
    """Two images of the model in files."""
    folder = tmp_path_factory.mktemp("photographs")
    images = served.model({name: z[:2] for name, z in served.chains.items()}).numpy()
    for name, image in zip("ab", images, strict=True):
        save_png(folder / f"{name}.png", np.uint8(np.clip(127.5 * image + 127.5, 0, 255)))
    return [str(folder / "a.png"), str(folder / "b.png")]


def test_samples_are_painted_in_a_grid(run_app, served, tmp_path):
    model, output = f"--saved_model={served.path}", f"--output={tmp_path}/new/grid.png"
    said = run_app(sample, model, "--seeds=0-3,7", output, "--columns=5")
    assert said.status == 0, said.err
    assert said.out.endswith(
        "grid.png: 5 samples, drawn as the latents of the training images are "
        "(--source=training).\n"
    )
    row = np.asarray(Image.open(tmp_path / "new/grid.png"))
    assert row.shape[1] > 4 * row.shape[0]
    # Beside photographs it is no example of a training.
    assert is_painted(tmp_path / "new/grid.png")
    # The same samples again, and others of the prior.
    assert run_app(sample, model, "--seeds=0", output).status == 2
    for source, equal in (("training", True), ("prior", False)):
        flags = ("--seeds=0-3,7", output, "--columns=5", "--overwrite", f"--source={source}")
        assert run_app(sample, model, *flags).status == 0
        other = np.asarray(Image.open(tmp_path / "new/grid.png"))
        assert np.array_equal(other, row) == equal


def test_a_walk_through_samples_is_an_endless_loop(run_app, served, tmp_path):
    flags = ("--seeds=1,2", "--frames=3", f"--output={tmp_path}/walk.gif")
    said = run_app(sample, f"--saved_model={served.path}", *flags)
    assert said.status == 0, said.err
    with Image.open(tmp_path / "walk.gif") as walk:
        assert (walk.n_frames, walk.info["loop"]) == (6, 0)


@pytest.mark.parametrize("name", ["morph.gif", "morph.png", "morph.mp4"])
def test_images_become_each_other(run_app, served, photographs, tmp_path, name):
    flags = (*QUICK, "--frames=3", "--columns=4", f"--output={tmp_path}/{name}")
    said = run_app(morph, *photographs, f"--saved_model={served.path}", *flags)
    assert said.status == 0, said.err
    *errors, output = said.out.splitlines()
    assert output == f"{tmp_path}/{name}"
    assert is_painted(output)
    assert [line.partition(":")[0] for line in errors] == photographs
    if name.endswith(".gif"):
        with Image.open(tmp_path / name) as frames:
            # There in 3 steps and back, without the ends twice.
            assert frames.n_frames == 6
    elif name.endswith(".png"):
        height, width, _ = np.asarray(Image.open(tmp_path / name)).shape
        assert 3 < width / height < 5


@pytest.mark.slow
def test_one_group_alone_changes(run_app, served, photographs, tmp_path):
    last = []
    for group in ("all", "appearance", "geometry"):
        flags = (*QUICK, "--columns=2", f"--group={group}", f"--output={tmp_path}/{group}.png")
        said = run_app(morph, *photographs, f"--saved_model={served.path}", *flags)
        assert said.status == 0, said.err
        last.append(np.asarray(Image.open(tmp_path / f"{group}.png"))[:, 142:])
    assert all(not np.array_equal(last[i], last[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_a_morph_of_a_missing_model_or_image_is_refused(run_app, served, photographs):
    said = run_app(morph, photographs[0], "missing.jpg", f"--saved_model={served.path}")
    assert (said.status, said.err) == (2, "error: missing.jpg: there is no such file or folder.\n")
