"""The table of a model's principal directions, whose names people can change."""

import html
from collections.abc import Mapping
from typing import Any

import numpy as np

from dgn_tf.api.settings import near
from dgn_tf.config.edits import Edit
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.directions import Directions, renamed

# As many of each group as people read.
_SHOWN = 12


class DirectionTable:
    """The principal directions of each group: number, name and share of the variance.

    Examples:
        >>> import numpy as np
        >>> from dgn_tf.api.directions import DirectionTable
        >>> from dgn_tf.visualize.directions import Directions
        >>> axes, scales = np.eye(2), np.array([3.0, 1.0])
        >>> directions = Directions(np.zeros(2), axes, scales, ("widen", "nod"))
        >>> table = DirectionTable({"geometry": directions})
        >>> table.rename(nod="yes")
        geometry
          1  widen  90%
          2  yes    10%

    Attributes:
        groups: the directions of each group that can be edited.
    """

    def __init__(self, groups: Mapping[str, Directions]):
        self.groups = dict(groups)

    def __getitem__(self, group: str) -> Directions:
        self._require_group(group)
        return self.groups[group]

    def rows(self) -> list[tuple[str, int, str, float]]:
        """(Group, number, name, share of the group's variance) of each direction."""
        found = []
        for group, of_group in self.groups.items():
            variances = np.square(of_group.scales)
            shares = variances / (variances.sum() or 1.0)
            names = of_group.names or ("",) * len(shares)
            found += [
                (group, number, name, float(share))
                for number, (name, share) in enumerate(zip(names, shares, strict=True), 1)
            ]
        return found

    def __repr__(self) -> str:
        rows, lines = self.rows(), []
        shown = [row for row in rows if row[1] <= _SHOWN]
        longest = max((len(name) for _, _, name, _ in shown), default=0)
        for group, of_group in self.groups.items():
            lines.append(group)
            lines += [
                f"{number:3}  {name.ljust(longest)}  {share:.0%}"
                for of, number, name, share in shown
                if of == group
            ]
            if len(of_group.axes) > _SHOWN:
                lines.append(f"  and {len(of_group.axes) - _SHOWN} more, in rows()")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{group}</td><td>{number}</td><td>{html.escape(name)}</td>"
            f"<td>{share:.1%}</td></tr>"
            for group, number, name, share in self.rows()
            if number <= _SHOWN
        )
        heads = "".join(f"<th>{head}</th>" for head in ("group", "number", "name", "share"))
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table>"

    def rename(self, **names: str | Mapping[int | str, str]) -> "DirectionTable":
        """Give directions other names, which edits then take and `save` keeps.

        Args:
            names: OLD_NAME="new name" of a direction of the geometry, with underscores for spaces;
                or GROUP={number or old name: "new name"}, as in appearance={1: "smile"}.

        Returns:
            The table itself.

        Raises:
            InputError: there is no such direction, or a name that is empty, a number or taken.
        """
        for group, index, name in self._located(names):
            self.groups = renamed(self.groups, group, index, name)
        return self

    def edits(self, values: Mapping[str, Any]) -> list[Edit]:
        """The steps that keywords ask for, as `Generator.edit` takes them.

        Raises:
            InputError: there is no such direction, or a value that is no number.
        """
        found = []
        for group, index, value in self._located(values):
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not number or not np.isfinite(value):
                raise InputError(f"`{group}`: a step must be a finite number, not {value!r}.")
            found.append(Edit(group, str(index + 1), float(value)))
        return found

    def _located(self, values: Mapping[str, Any]) -> list[tuple[str, int, Any]]:
        """(Group, index, value) of what keywords say."""
        found = []
        for key, value in values.items():
            if isinstance(value, Mapping):
                self._require_group(key)
                found += [(key, self.index(key, name), each) for name, each in value.items()]
            elif key in self.groups:
                raise InputError(
                    f"`{key}={value!r}`: give the directions of a group by number or name, as in "
                    f"{key}={{1: 2.0}}."
                )
            else:
                found.append((*self._named(key), value))
        return found

    def _require_group(self, group: str) -> None:
        if group not in self.groups:
            raise InputError(f"`{group}`: the model has no such group{near(group, self.groups)}")

    def index(self, group: str, name: int | str) -> int:
        """The place, from 0, of a direction of a group, by its number, from 1, or its name.

        Raises:
            InputError: there is no such direction.
        """
        self._require_group(group)
        of_group = self.groups[group]
        if isinstance(name, int | np.integer):
            if not 1 <= name <= len(of_group.axes):
                raise InputError(
                    f"`{group}={{{name}: ...}}`: directions are numbered from 1 to "
                    f"{len(of_group.axes)}."
                )
            return int(name) - 1
        if name in of_group.names:
            return of_group.names.index(name)
        known = near(name, of_group.names, _SHOWN)
        raise InputError(f"`{group}={{{name!r}: ...}}`: there is no such direction{known}")

    def _named(self, key: str) -> tuple[str, int]:
        """The only direction of a name, of whatever group."""
        places = [
            (group, index)
            for group, of_group in self.groups.items()
            for index, name in enumerate(of_group.names)
            if key in (name, name.replace(" ", "_"))
        ]
        if len(places) > 1:
            raise InputError(
                f"`{key}`: several groups have a direction of this name: give the group, as in "
                f"geometry={{'{key}': 2.0}}."
            )
        if not places:
            names = [n.replace(" ", "_") for g in self.groups.values() for n in g.names]
            raise InputError(f"`{key}`: there is no such direction{near(key, names, _SHOWN)}")
        return places[0]
