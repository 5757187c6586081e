"""Checkpoints: whole or not at all, and what happens to broken ones."""

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.training.chains import Chains, read_chains
from dgn_tf.training.checkpoints import Checkpoints, Progress, check_files
from dgn_tf.utils.errors import DiskError, InputError


def make(folder, keep=3, start=0.0):
    """Checkpoints of one variable, large enough to be hit by a flipped byte."""
    variable = tf.Variable(np.full(1000, start, np.float32))
    return Checkpoints(folder, keep, weights=variable), variable


def save_steps(folder, *steps):
    checkpoints, variable = make(folder)
    for step in steps:
        variable.assign(np.full(1000, step, np.float32))
        checkpoints.save(Progress(step, {"msre": step / 2}, rescues=1))
    return checkpoints


def flip_data(path):
    data = path / "state.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[2000] ^= 0xFF
    data.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {
    "a flipped byte": flip_data,
    "a cut index": lambda path: cut(path / "state.index"),
    "cut data": lambda path: cut(path / "state.data-00000-of-00001"),
    "no data": lambda path: (path / "state.data-00000-of-00001").unlink(),
    "no index": lambda path: (path / "state.index").unlink(),
    "an empty index": lambda path: (path / "state.index").write_bytes(b""),
    "empty progress": lambda path: (path / "progress.json").write_text(""),
    "foreign progress": lambda path: (path / "progress.json").write_text('{"epoch": 3}'),
    "no progress": lambda path: (path / "progress.json").unlink(),
    "an empty folder": lambda path: [file.unlink() for file in path.iterdir()],
}


def test_the_newest_checkpoint_is_restored_with_its_progress(tmp_path):
    save_steps(tmp_path / "run", 4, 12)
    checkpoints, variable = make(tmp_path / "run")
    assert checkpoints.restore() == Progress(12, {"msre": 6.0}, rescues=1)
    np.testing.assert_array_equal(variable, np.full(1000, 12))


def test_nothing_is_restored_where_nothing_is(tmp_path):
    checkpoints, variable = make(tmp_path / "missing", start=7)
    assert checkpoints.restore() is None
    np.testing.assert_array_equal(variable, np.full(1000, 7))


def test_the_newest_are_kept_and_a_step_saved_again_is_replaced(tmp_path):
    checkpoints = save_steps(tmp_path, 5, 20, 100, 1000)
    assert [p.name for p in checkpoints.paths()] == [
        f"step-{step:010d}" for step in (20, 100, 1000)
    ]
    checkpoints.save(Progress(1000, rescues=2))
    assert len(checkpoints.paths()) == 3
    assert checkpoints.restore().rescues == 2


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_broken_checkpoint_is_reported_and_the_one_before_it_used(tmp_path, caplog, damage):
    save_steps(tmp_path, 1, 2, 3)
    damage(tmp_path / "step-0000000003")
    checkpoints, variable = make(tmp_path)
    assert checkpoints.restore().step == 2
    np.testing.assert_array_equal(variable, np.full(1000, 2))
    (record,) = caplog.records
    assert f"Checkpoint {tmp_path}/step-0000000003 cannot be read (" in record.getMessage()
    assert "the one before it is used" in record.getMessage()


def test_when_none_can_be_read_the_error_names_the_way_out(tmp_path):
    for path in save_steps(tmp_path, 1, 2).paths():
        flip_data(path)
    with pytest.raises(InputError, match="none of the 2 checkpoints in .* can be read.*`fresh`"):
        make(tmp_path)[0].restore()


def test_leftovers_of_a_killed_save_are_ignored_and_removed(tmp_path):
    save_steps(tmp_path, 1)
    leftover = tmp_path / "partial-0000000123"
    leftover.mkdir()
    (leftover / "progress.json").write_text("{")
    (leftover / "state_temp").mkdir()
    checkpoints, _ = make(tmp_path)
    assert checkpoints.restore().step == 1
    checkpoints.save(Progress(2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-0000000001", "step-0000000002"]


def test_a_part_of_a_checkpoint_is_restored_only_on_demand(tmp_path):
    both = {"weights": tf.Variable([1.0, 2.0]), "more": tf.Variable([3.0])}
    Checkpoints(tmp_path, **both).save(Progress(9))
    weights = tf.Variable([0.0, 0.0])
    assert Checkpoints(tmp_path, weights=weights).restore(partial=True).step == 9
    np.testing.assert_array_equal(weights, [1.0, 2.0])
    with pytest.raises(InputError, match="none of the 1 checkpoints"):
        Checkpoints(tmp_path, weights=weights).restore()
    with pytest.raises(InputError, match="none of the 1 checkpoints"):
        Checkpoints(tmp_path, other=tf.Variable([0.0])).restore(partial=True)


def test_means_are_over_the_steps_of_the_epoch_under_way():
    assert Progress(2, {"msre": 6.0}).means(per_epoch=4) == {"msre": 3.0}
    assert Progress(4, {"msre": 6.0}).means(per_epoch=4) == {"msre": 1.5}
    assert Progress(9, {"msre": 6.0}).means(per_epoch=4) == {"msre": 6.0}
    assert Progress().means(per_epoch=4) == {}


def test_no_flipped_bit_of_the_progress_goes_unnoticed(tmp_path):
    save_steps(tmp_path, 1, 2)
    path = tmp_path / "step-0000000002" / "progress.json"
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            found = check_files(path.parent)
        except (ValueError, TypeError, OSError):
            continue
        assert found == Progress(2, {"msre": 1.0}, rescues=1), place


def test_a_full_disk_keeps_what_was_saved_and_says_so(tmp_path, monkeypatch):
    checkpoints = save_steps(tmp_path, 1, 2)

    def full(prefix):
        open(f"{prefix}.index", "wb").close()
        raise tf.errors.ResourceExhaustedError(None, None, f"{prefix}; No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.state, "write", full)
        with pytest.raises(DiskError) as caught:
            checkpoints.save(Progress(3))
    assert str(caught.value) == (
        f"step 3 cannot be saved in {tmp_path} (No space left on device): the newest checkpoint is "
        "still step-0000000002. Make room, then run the same command again: it goes on from there."
    )
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "step-0000000001",
        "step-0000000002",
    ]
    assert make(tmp_path)[0].restore().step == 2
    checkpoints.save(Progress(3))
    assert make(tmp_path)[0].restore().step == 3


def test_a_checkpoint_is_never_half_deleted(tmp_path, monkeypatch):
    checkpoints = save_steps(tmp_path, 0)

    def killed(path, names):
        raise KeyboardInterrupt

    monkeypatch.setattr("dgn_tf.training.checkpoints.remove_files", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(Progress(0))
    # The name of a checkpoint is that of a whole one or of none.
    assert checkpoints.paths() == []
    assert make(tmp_path)[0].restore() is None


def test_what_others_put_beside_and_into_checkpoints_stays(tmp_path):
    save_steps(tmp_path, 1, 2)
    mine = {
        "step-0000000002.bak/state.index": "step-0000000002.bak/state.index",
        "step-by-step.txt": "step-by-step.txt",
        "partial-results/thesis": "partial-results/thesis",
        "step-0000000001/notes": "kept-step-0000000001/notes",
        "partial-0000000003/notes": "kept-partial-0000000003/notes",
    }
    for name in mine:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    checkpoints, _ = make(tmp_path, keep=2)
    assert [path.name for path in checkpoints.paths()] == ["step-0000000001", "step-0000000002"]
    for step in (3, 4, 5):
        checkpoints.save(Progress(step))
    for name, now in mine.items():
        assert (tmp_path / now).read_text() == name
    assert [path.name for path in checkpoints.paths()] == ["step-0000000004", "step-0000000005"]
    assert make(tmp_path)[0].restore().step == 5


@pytest.mark.parametrize("name", ["run[1]", "a*b", "a?b", "a\\b", "a b", "[!x]-{y}", "a\\[b"])
def test_folders_of_any_name_are_read(tmp_path, name):
    for other, value in (("run1", 5), (name, 7), ("aXb", 6), ("ab", 6)):
        folder = tmp_path / other / "checkpoints"
        save_steps(folder, value)
    checkpoints, variable = make(tmp_path / name / "checkpoints")
    assert checkpoints.restore() == Progress(7, {"msre": 3.5}, rescues=1)
    np.testing.assert_array_equal(variable, np.full(1000, 7))


def test_checkpoints_without_checksums_are_read(tmp_path):
    save_steps(tmp_path, 1)
    path = tmp_path / "step-0000000001" / "progress.json"
    path.write_text('{"step": 1, "sums": {"msre": 0.5}, "rescues": 1}')
    assert make(tmp_path)[0].restore() == Progress(1, {"msre": 0.5}, rescues=1)


DIMS = {"appearance": 3, "geometry": 2}


def chains_of(first, end, seed=0):
    return Chains(100 + np.arange(first, end), DIMS, seed, first=first)


def save_with_chains(folder, step, *ranges):
    """A checkpoint whose chains, those of `seed` step, several have written."""
    chains, weights = chains_of(*ranges[0], step), tf.Variable([1.0])
    checkpoints = Checkpoints(folder, chains=chains, weights=weights)
    checkpoints.save(Progress(step))
    path = checkpoints.paths()[-1]
    for other in ranges[1:]:
        chains_of(*other, step).save(path)
    return path


@pytest.mark.parametrize("writers", [[(0, 7)], [(0, 3), (3, 7)], [(0, 2), (2, 4), (4, 7)]])
@pytest.mark.parametrize("readers", [[(0, 7)], [(0, 5), (5, 7)]])
def test_chains_are_restored_onto_other_numbers_of_workers(tmp_path, writers, readers):
    path = save_with_chains(tmp_path, 4, *writers)
    wanted = chains_of(0, 7, seed=4)
    for first, end in readers:
        chains = chains_of(first, end, seed=9)
        assert Checkpoints(tmp_path, chains=chains, weights=tf.Variable([0.0])).restore().step == 4
        for name in DIMS:
            np.testing.assert_allclose(
                chains.groups[name], wanted.groups[name][first:end], atol=1e-6
            )
    ids, states = read_chains(path)
    np.testing.assert_array_equal(ids, wanted.ids)
    assert {name: z.shape for name, z in states.items()} == {n: (7, d) for n, d in DIMS.items()}


def damage_chains(path):
    (file,) = path.glob("chains-*")
    content = bytearray(file.read_bytes())
    content[-400] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (damage_chains, "chains-0000000000-0000000007.npz was changed or damaged"),
        (lambda path: next(path.glob("chains-*")).unlink(), "No such file"),
    ],
)
def test_damaged_chains_are_passed_over(tmp_path, caplog, harm, reason):
    save_with_chains(tmp_path, 1, (0, 7))
    harm(save_with_chains(tmp_path, 2, (0, 7)))
    checkpoints = Checkpoints(tmp_path, chains=chains_of(0, 7), weights=tf.Variable([0.0]))
    assert checkpoints.restore().step == 1
    assert reason in caplog.text
    np.testing.assert_array_equal(
        checkpoints.chains.groups["geometry"], chains_of(0, 7, 1).groups["geometry"]
    )


@pytest.mark.parametrize(
    ("chains", "reason"),
    [
        (lambda: chains_of(0, 8), "a file of its chains is missing"),
        (lambda: Chains(np.arange(7), DIMS, 0), "its chains are of other examples"),
        (lambda: Chains(100 + np.arange(7), {"appearance": 3}, 0), "its chains have other latents"),
    ],
)
def test_chains_of_something_else_are_not_taken(tmp_path, caplog, chains, reason):
    save_with_chains(tmp_path, 1, (0, 3), (3, 7))
    with pytest.raises(InputError, match="none of the 1 checkpoints"):
        Checkpoints(tmp_path, chains=chains(), weights=tf.Variable([0.0])).restore()
    assert reason in caplog.text


def test_chains_that_older_versions_kept_among_the_tensors_are_restored(tmp_path):
    old = chains_of(0, 7, seed=3)
    path = tmp_path / "step-0000000005"
    path.mkdir()
    tf.train.Checkpoint(weights=tf.Variable([8.0]), chains=old).write(str(path / "state"))
    (path / "progress.json").write_text('{"step": 5, "sums": {}, "rescues": 0}')
    weights, chains = tf.Variable([0.0]), chains_of(0, 7)
    assert Checkpoints(tmp_path, chains=chains, weights=weights).restore().step == 5
    np.testing.assert_array_equal(weights, [8.0])
    for name in DIMS:
        np.testing.assert_array_equal(chains.groups[name], old.groups[name])
