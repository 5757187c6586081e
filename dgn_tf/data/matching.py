"""Which examples of a data set that has changed are those of before."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from dgn_tf.data.examples import Examples

_NONE = -1


class Identity(NamedTuple):
    """What tells the examples of a data set apart.

    Attributes:
        ids: int64 [N].
        contents: uint64 [N], hashes of their pixels; None where they are not known.
    """

    ids: np.ndarray
    contents: np.ndarray | None


class Match(NamedTuple):
    """Examples as they are now, found among those of before.

    Attributes:
        sources: int64 [N], the id that each example had before; -1 for a new one.
        kept: how many are not new.
        renamed: how many of these have another id now.
        altered: how many of these have other pixels now.
        added: how many are new.
        dropped: how many are no longer there.
    """

    sources: np.ndarray
    kept: int
    renamed: int
    altered: int
    added: int
    dropped: int


def identity(examples: Examples) -> Identity:
    """What tells examples apart."""
    return Identity(examples.ids, examples.content_keys())


def match_examples(before: Identity, now: Identity) -> Match:
    """Find the examples of now among those of before.

    An example is the one with the same pixels, with the same id if several have these; of those
    whose pixels are not found, or not known, the one with the same id.
    """
    sources = np.full(len(now.ids), _NONE, np.int64)
    if before.contents is not None and now.contents is not None:
        sources = _by_content(before.ids, before.contents, now.ids, now.contents)
    by_content = sources != _NONE
    free = np.setdiff1d(before.ids, sources)
    same = ~by_content & np.isin(now.ids, free)
    sources[same] = now.ids[same]
    found = sources != _NONE
    known = before.contents is not None and now.contents is not None
    return Match(
        sources,
        kept=int(found.sum()),
        renamed=int((found & (sources != now.ids)).sum()),
        altered=int(same.sum()) if known else 0,
        added=int((~found).sum()),
        dropped=len(before.ids) - int(found.sum()),
    )


def _by_content(
    ids: np.ndarray, contents: np.ndarray, new_ids: np.ndarray, new_contents: np.ndarray
) -> np.ndarray:
    """The ids of before of the examples with the same pixels, int64 [N]; each is used once."""
    places: dict[int, list[int]] = defaultdict(list)
    for id_, key in zip(ids.tolist(), contents.tolist(), strict=True):
        places[key].append(id_)
    sources = np.full(len(new_ids), _NONE, np.int64)
    # Those with their own id come first, so that copies of one image keep theirs.
    for own in (True, False):
        for row, (id_, key) in enumerate(zip(new_ids.tolist(), new_contents.tolist(), strict=True)):
            there = places.get(key)
            if sources[row] == _NONE and there and (id_ in there or not own):
                sources[row] = id_ if own else there[0]
                there.remove(sources[row])
    return sources
