"""Going on with a run: which settings may be other ones by now, and what that means."""

import dataclasses
import os

from dgn_tf.config import Config
from dgn_tf.runs.directory import Run
from dgn_tf.runs.restoring import load_run, weights_checksum
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path


def resumed_settings(run: Run, config: Config) -> Config:
    """The settings that a run goes on with.

    Args:
        run: a run that is there.
        config: the settings that are given now, which `Run.check` has accepted.

    Returns:
        These, with the `init_from` of before where none is given: the run needs it no more, but it
        says where its networks come from.

    Raises:
        InputError: `init_from` names another run than the one that it began with.
    """
    before, now = run.config().learning.init_from, config.learning.init_from
    if now and not _same_origin(run, before, now):
        began = f"began with the networks of {before}" if before else "began with new networks"
        raise InputError(
            f"`init_from={now}`: {run.flag} {began}. Leave it out: a run that goes on does not "
            "need it."
        )
    learning = dataclasses.replace(config.learning, init_from=now or before)
    return dataclasses.replace(config, learning=learning)


def _same_origin(run: Run, before: str, now: str) -> bool:
    """Whether two paths name the run whose networks a run began with, which may have moved."""
    if os.path.realpath(user_path(before)) == os.path.realpath(user_path(now)):
        return bool(before)
    checksum = run.described().get("begun_from")
    if before and checksum is None:
        # A version that noted no checksum: what was there has gone somewhere.
        return not Run(before).exists
    return bool(before) and weights_checksum(load_run(now)[1]) == checksum
