"""The devices that learn one model together (tf.distribute).

The batches of a run are drawn from `shards` parts of the data, in equal numbers (`Shards`). Every
device takes the examples of some of the shards, so that a run has the same batches on any number
of devices that divides them. A worker keeps the chains of its own shards: they never move. What the
devices exchange at a step is one sum of gradients and of what is logged, and, with a mean penalty,
of displacement fields.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from dgn_tf.data.batches import Shards
from dgn_tf.types import Tensor
from dgn_tf.utils.errors import InputError, WorkerLost

# What TensorFlow raises on the others when a process is gone.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


class Devices:
    """Who takes part in a training, and which part this process has.

    Args:
        kind: "one"; "mirrored", all GPUs of this process, or all logical CPUs where it has none;
            "multi_worker", the processes that TF_CONFIG names, each with all its GPUs.
        shards: how many parts the batches are drawn from.

    Attributes:
        strategy: the tf.distribute.Strategy.
        workers: how many processes take part.
        chief: whether this process writes what all of them share.
        shards: the `Shards` of this process.

    Raises:
        InputError: TF_CONFIG is missing or wrong, or `shards` cannot be shared out.
    """

    def __init__(self, kind: str = "one", shards: int = 1):
        workers, worker = _cluster() if kind == "multi_worker" else (1, 0)
        if kind == "one":
            self.strategy = tf.distribute.get_strategy()
        elif kind == "mirrored":
            self.strategy = tf.distribute.MirroredStrategy(local_devices())
        else:
            self.strategy = tf.distribute.MultiWorkerMirroredStrategy()
        count = self.strategy.num_replicas_in_sync
        if shards % count:
            raise InputError(
                f"`strategy={kind}` has {count} devices and `shards={shards}`: give a multiple of "
                f"{count}, such as `shards={count}`. The batches of a run depend on it."
            )
        self.workers, self.chief = workers, worker == 0
        each = shards // workers
        self.shards = Shards(shards, worker * each, (worker + 1) * each)
        self._total = tf.function(self._sum, autograph=False)

    @property
    def several(self) -> bool:
        """Whether there is more than one device."""
        return self.strategy.num_replicas_in_sync > 1

    def agree(self, flag: object) -> bool:
        """Whether `flag` is true in any of the processes, all of which have to ask.

        Raises:
            WorkerLost: one has ended.
        """
        if self.workers == 1:
            return bool(flag)
        with self.together():
            return bool(self._total(tf.constant(float(bool(flag)))) > 0)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """A context in which the end of another process is reported as such.

        Raises:
            WorkerLost: one has ended.
        """
        try:
            yield
        except _LOST as error:
            if self.workers == 1:
                raise
            raise WorkerLost(
                "`strategy=multi_worker`: another worker has ended or cannot be reached. Start all "
                "of them again with the same command: they go on from the last checkpoint."
            ) from error

    def meet(self) -> None:
        """Waits until all processes have come here."""
        self.agree(False)

    def _sum(self, value: Tensor) -> Tensor:
        def reduce(value):
            # A sum goes to the devices that its terms are on: here it gets one.
            context: Any = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))

        sums = self.strategy.run(reduce, args=(value,))
        return self.strategy.experimental_local_results(sums)[0]


def local_devices() -> list[str]:
    """Names of the GPUs, or of the logical CPUs where there is none."""
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


def _cluster() -> tuple[int, int]:
    """(number of workers, which one this is), as TF_CONFIG says."""
    wanted = (
        'the environment variable TF_CONFIG must be {"cluster": {"worker": ["HOST:PORT", ...]}, '
        '"task": {"type": "worker", "index": N}}'
    )
    try:
        config = json.loads(os.environ.get("TF_CONFIG", ""))
        workers, task = config["cluster"]["worker"], config["task"]
        index = int(task["index"])
        right = task["type"] == "worker" and set(config["cluster"]) == {"worker"}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"`strategy=multi_worker`: {wanted}.") from None
    if not right or not 0 <= index < len(workers):
        raise InputError(f"`strategy=multi_worker`: {wanted}, N from 0 to {len(workers) - 1}.")
    return len(workers), index
