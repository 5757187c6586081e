"""Going on with a run: which settings may be other ones by now, and what that means."""

import dataclasses
import os

import numpy as np

from dgn_tf.config import Config
from dgn_tf.config.fields import parse_schedule
from dgn_tf.data.examples import Examples
from dgn_tf.data.matching import Identity, Match, identity, match_examples
from dgn_tf.runs.contents import DATA
from dgn_tf.runs.directory import Run
from dgn_tf.runs.restoring import load_run, weights_checksum
from dgn_tf.training.course import Course, Progress
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.words import counted


@dataclasses.dataclass(frozen=True)
class Past:
    """What a run that goes on has been so far.

    Attributes:
        config: its settings.
        match: its examples, if they have changed since; else None.
        examples: how many it had.
    """

    config: Config
    match: Match | None
    examples: int

    @property
    def sources(self) -> np.ndarray | None:
        """Whose chains the examples of now take, as of `Match`, if the data have changed."""
        return None if self.match is None else self.match.sources

    def changed(self, now: Config) -> bool:
        """Whether steps or chains are others than those that the checkpoints are of."""
        batches = self.config.learning.batch_size != now.learning.batch_size
        return batches or self.match is not None

    def enter(self, course: Course, progress: Progress) -> Progress:
        """The progress of a checkpoint on the course that the run goes on with."""
        # Older versions wrote neither of the two.
        known = dataclasses.replace(
            progress,
            batch_size=progress.batch_size or self.config.learning.batch_size,
            examples=progress.examples or self.examples,
        )
        return course.enter(known)

    @property
    def told_data(self) -> list[str]:
        """What going on with other data means, a line."""
        return [] if self.match is None else [_told_match(self.match)]

    def told_settings(self, now: Config) -> list[str]:
        """What going on with other settings means, a line each."""
        return _told_changes(self.config, now)


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


def _told_changes(before: Config, now: Config) -> list[str]:
    """What other settings mean for a run that goes on with them, in one line each.

    Args:
        before: the settings of the run so far.
        now: those that it goes on with.
    """
    lines = []
    changed = [
        f"`{name}={after}` ({then} before)"
        for name in ("batch_size", "learning_rate")
        if (then := getattr(before.learning, name)) != (after := getattr(now.learning, name))
    ]
    if changed:
        lines.append(
            f"Goes on with {' and '.join(changed)}: what was learned stays. The numbers from here "
            "on are those of no run that had these settings throughout."
        )
    then, after = before.learning.epochs, now.learning.epochs
    if then != after and _follows_fractions(now):
        lines.append(
            f"Goes on with `epochs={after}` ({then} before): settings that change at fractions of "
            f"the run change at those of {counted(after, 'epoch')} from here on. A run of as many "
            "from the start would have other numbers."
        )
    elif then != after:
        lines.append(
            f"Goes on with `epochs={after}` ({then} before): by itself this changes no number of "
            "any epoch."
        )
    return lines


def _told_match(match: Match) -> str:
    """What a change of the data means for a run that goes on, in one line."""
    of_these = [
        f"{count} {what}"
        for count, what in ((match.renamed, "renamed"), (match.altered, "with other pixels"))
        if count
    ]
    detail = f" ({', '.join(of_these)})" if of_these else ""
    return (
        f"The data have changed: {match.kept} examples are kept{detail}, {match.added} added, "
        f"{match.dropped} dropped. Chains of new ones begin as at the start of a run; the numbers "
        "from here on are those of no run that had these data throughout."
    )


def past_of(run: Run, config: Config, examples: Examples, same: bool) -> Past:
    """What a run that goes on has been so far.

    Args:
        run: the run.
        config: its settings so far.
        examples: those of now.
        same: whether they are those of before.
    """
    nothing = Identity(np.empty([0], np.int64), None)
    match = None if same else match_examples(run.identity or nothing, identity(examples))
    count = run.described()["examples"] if (run / DATA).exists() else len(examples)
    return Past(config, match, count)


def _follows_fractions(config: Config) -> bool:
    """Whether anything changes at fractions of the run."""
    learning = config.learning
    schedules = [learning.learning_rate, learning.sigma, learning.step_size]
    schedules += [learning.encoder_rate] if learning.proposals != "none" else []
    schedules += [learning.discriminator_rate] if learning.adversarial else []
    several = any(len(parse_schedule(schedule)) > 1 for schedule in schedules)
    return several or bool(learning.head_start or learning.warmup)


def _same_origin(run: Run, before: str, now: str) -> bool:
    """Whether two paths name the run whose networks a run began with, which may have moved."""
    if os.path.realpath(user_path(before)) == os.path.realpath(user_path(now)):
        return bool(before)
    checksum = run.described().get("begun_from")
    if before and checksum is None:
        # A version that noted no checksum: what was there has gone somewhere.
        return not Run(before).exists
    return bool(before) and weights_checksum(load_run(now)[1]) == checksum
