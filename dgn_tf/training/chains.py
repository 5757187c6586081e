"""Persistent Langevin chains: one state for every training example and latent group."""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from dgn_tf.inference.noise import example_normal
from dgn_tf.types import LatentArrays, Latents, Tensor
from dgn_tf.utils.files import literal_path

# Chains of more bytes than this live on the host, whatever computes with them: a step moves the
# rows of its batch alone. A million examples with 64 + 64 latents have twice as many.
HOST_BYTES = 256 * 2**20
# Chains that are started at a time: the noise of a million at once would take as much again.
_STARTED = 65536
_FILE = re.compile(r"chains-(\d+)-(\d+)\.npz")


class Chains(tf.Module):
    """The latents of N examples, read and written by example index inside a graph (Algorithm 1).

    Args:
        ids: int64 [N], stable ids of the examples: the chain of an example starts from the same
            latents wherever the example stands.
        latent_dims: length of each group's latent vector.
        seed: of the run, which keys the draws that chains start from.
        given: latents [N, d] of the groups that come with the data, such as labels.
        classes: names of the groups that are one-hot: each chain starts from a random class.
        first: index of the first of the examples in the data set, of which these may be a part.
        zero: whether chains start from zero instead of a draw of N(0, I), which a chain of a few
            Langevin steps a visit needs hundreds of visits to forget.

    Attributes:
        on_host: whether they are kept in the host's memory, where only the CPU reads them.
    """

    def __init__(
        self,
        ids: np.ndarray,
        latent_dims: Mapping[str, int],
        seed: int,
        given: Mapping[str, np.ndarray] | None = None,
        classes: Collection[str] = (),
        first: int = 0,
        zero: bool = False,
    ):
        super().__init__(name="chains")
        self.ids, self.first = np.asarray(ids, np.int64), first
        self.given = tuple(given or ())

        def start(name: str, stream: int, dim: int) -> Tensor:
            if given and name in given:
                return np.asarray(given[name], np.float32)
            states = np.zeros([len(self.ids), dim], np.float32)
            if zero and name not in classes:
                return states
            for row in range(0, len(states), _STARTED):
                rows = slice(row, row + _STARTED)
                ids = tf.constant(self.ids[rows])
                states[rows] = example_normal(seed, 0, ids, stream, 1, dim)[0]
            return np.eye(dim, dtype=np.float32)[states.argmax(1)] if name in classes else states

        self.on_host = 4 * len(self.ids) * sum(latent_dims.values()) > HOST_BYTES
        with tf.device("CPU:0" if self.on_host else None):
            self.groups = {
                name: tf.Variable(start(name, stream, dim), trainable=False, name=f"chain_{name}")
                for stream, (name, dim) in enumerate(latent_dims.items())
            }

    def read(self, index: Tensor) -> Latents:
        """Latents [B, d] of each group, of the examples at `index` [B]."""
        rows = tf.convert_to_tensor(index) - self.first
        return {name: tf.gather(states, rows) for name, states in self.groups.items()}

    def write(self, index: Tensor, latents: Latents) -> None:
        """Stores the latents [B, d] of the examples at `index` [B]."""
        rows = tf.convert_to_tensor(index) - self.first
        for name, z in latents.items():
            self.groups[name].scatter_update(tf.IndexedSlices(z, rows))

    def save(self, folder: Path) -> None:
        """Writes chains-FIRST-END.npz: the ids, and the states of every group."""
        end = self.first + len(self.ids)
        states: dict[str, Any] = {
            f"chain_{name}": variable.numpy() for name, variable in self.groups.items()
        }
        np.savez(folder / f"chains-{self.first:010d}-{end:010d}.npz", ids=self.ids, **states)

    def restore(self, folder: Path, sources: np.ndarray | None = None) -> None:
        """Takes the states from the files in a folder, however many processes have written them.

        Args:
            folder: of a checkpoint.
            sources: where the data have changed, the id int64 [n] that each example of the whole
                data set had before, -1 for a new one, whose chain stays where it starts.

        Raises:
            ValueError: some are missing, or of other examples.
        """
        if sources is not None:
            self._take(*read_chains(folder), sources[self.first : self.first + len(self.ids)])
            return
        ids, states = read_chains(folder, self.first, self.first + len(self.ids))
        if ids is not None and not np.array_equal(ids, self.ids):
            raise ValueError("its chains are of other examples")
        if {n: z.shape for n, z in states.items()} != {n: z.shape for n, z in self.groups.items()}:
            raise ValueError("its chains have other latents or are not as many")
        for name, z in states.items():
            self.groups[name].assign(z)

    def _take(self, ids: np.ndarray | None, states: LatentArrays, sources: np.ndarray) -> None:
        """Takes the states [m, d] of the examples with these ids [m]; others stay as they are."""
        if ids is None:
            raise ValueError("an older version wrote its chains, which do not say whose they are")
        if {n: z.shape[1] for n, z in states.items()} != {
            n: z.shape[1] for n, z in self.groups.items()
        }:
            raise ValueError("its chains have other latents")
        order = np.argsort(ids)
        place = order[np.searchsorted(ids, sources, sorter=order).clip(max=len(ids) - 1)]
        rows = np.flatnonzero(ids[place] == sources)
        for name, z in states.items():
            # What is given belongs to the examples, not to the chains.
            if name not in self.given:
                taken = tf.constant(z[place[rows]])
                self.groups[name].scatter_update(tf.IndexedSlices(taken, tf.constant(rows)))


def read_ids(folder: str | os.PathLike) -> np.ndarray | None:
    """The ids int64 [N] of the examples whose chains a checkpoint has; None where it says none.

    Raises:
        ValueError, OSError: a file cannot be read.
    """
    files = sorted(path for path in Path(folder).iterdir() if _FILE.fullmatch(path.name))
    found = []
    for path in files:
        with np.load(path, allow_pickle=False) as file:
            found.append(file["ids"])
    return np.concatenate(found) if found else None


def read_chains(
    folder: str | os.PathLike, first: int = 0, end: int | None = None
) -> tuple[np.ndarray | None, LatentArrays]:
    """What `Chains.save` has written: the chains of the examples from `first` up to `end`.

    Args:
        folder: of a checkpoint.
        first: index of an example in the data set.
        end: one past the last; None reads all that follow.

    Returns:
        (ids int64 [n], states float32 [n, d] by group). A checkpoint of an older version, which
        kept its chains, all of them, among its tensors, has no ids: None. A run without chains has
        no states: an empty dict.

    Raises:
        ValueError: there are files, and some of these examples are in none of them.
        tf.errors.OpError, OSError: a file cannot be read.
    """
    found = sorted(
        (int(match[1]), int(match[2]), path)
        for path in Path(folder).iterdir()
        if (match := _FILE.fullmatch(path.name))
    )
    if not found:
        return None, _tensors(folder)
    end, parts = found[-1][1] if end is None else end, []
    for start, stop, path in found:
        rows = slice(max(first, start) - start, min(end, stop) - start)
        if rows.start < rows.stop:
            if start + rows.start != first + sum(len(part["ids"]) for part in parts):
                break
            with np.load(path, allow_pickle=False) as file:
                parts.append({name: file[name][rows] for name in file.files})
    if sum(len(part["ids"]) for part in parts) != end - first:
        raise ValueError("a file of its chains is missing")
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return whole.pop("ids"), {name.removeprefix("chain_"): z for name, z in whole.items()}


def _tensors(folder: str | os.PathLike) -> LatentArrays:
    """The chains among the tensors of a checkpoint of an older version."""
    start, end = "chains/groups/", "/.ATTRIBUTES/VARIABLE_VALUE"
    with literal_path(folder) as readable:
        reader = tf.train.load_checkpoint(str(readable / "state"))
        return {
            name.removeprefix(start).removesuffix(end): reader.get_tensor(name)
            for name in reader.get_variable_to_shape_map()
            if name.startswith(start) and name.endswith(end)
        }
