"""What a model has inferred of images or clips."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dgn_tf.types import LatentArrays
from dgn_tf.utils.arrays import as_numbers
from dgn_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Latents:
    """Latents of N images or clips: a vector of each group, and how well they describe them.

    Examples:
        >>> import numpy as np
        >>> import dgn_tf as dgn
        >>> z = dgn.Latents({"appearance": np.zeros([2, 6]), "geometry": np.ones([2, 12])})
        >>> z
        Latents(2: appearance 6, geometry 12)
        >>> float(z[0].with_geometry_of(z[1])["geometry"].mean())
        1.0

    `z[0]`, `z[1:3]` and `z[[0, 2]]` are the latents of some of them, `z["geometry"]` the array of a
    group.

    Attributes:
        groups: [N, d] by name of the group.
        names: what the images are called, N of them; none if they have no names.
        images: those that were inferred, uint8 [N, S, S, C] or, clips, [N, F, S, S, C]; None for
            latents that are of no image, because they were drawn or changed.
        error: of the reconstruction, [N]: the sum of squares over an image or clip on the [0, 1]
            scale; None where there are no images.
        typical: bool [N], whether error, latents and texture are as those of images that the model
            has learned from; None where that is not known.

    Raises:
        InputError: arrays that do not go together, or a value that is no finite number.
    """

    groups: LatentArrays
    names: tuple[str, ...] = ()
    images: np.ndarray | None = None
    error: np.ndarray | None = None
    typical: np.ndarray | None = None

    def __post_init__(self) -> None:
        groups = {name: as_numbers(f"`groups`: {name}", z) for name, z in self.groups.items()}
        counts = {name: np.shape(z)[:1] for name, z in groups.items()}
        flat = all(np.ndim(z) == 2 for z in groups.values())
        if not flat or len(set(counts.values())) != 1:
            shapes = {name: list(np.shape(z)) for name, z in groups.items()}
            raise InputError(f"`groups` must be arrays [N, d] of one N; they are {shapes}.")
        (count,) = next(iter(counts.values()))
        for name in ("names", "images", "error", "typical"):
            value = getattr(self, name)
            # No names are an empty tuple.
            if value is not None and len(value) != count and (name, len(value)) != ("names", 0):
                raise InputError(f"`{name}` are {len(value)}, and the latents {count}.")
        for name, z in groups.items():
            finite = np.isfinite(z).all(axis=1)
            if not finite.all():
                # They would be painted black.
                row = int(np.argmin(finite))
                raise InputError(
                    f"`groups`: {name} must be finite; there is a NaN or an infinity in row {row}."
                )
        # Lists are taken too.
        object.__setattr__(self, "groups", groups)

    def __len__(self) -> int:
        return len(next(iter(self.groups.values())))

    def __repr__(self) -> str:
        dims = ", ".join(f"{name} {z.shape[1]}" for name, z in self.groups.items())
        parts = [f"{len(self)}: {dims}"]
        if self.error is not None:
            low, high = self.error.min(), self.error.max()
            parts.append(f"error {low:.1f}" + (f" to {high:.1f}" if len(self) > 1 else ""))
        if self.typical is not None and not self.typical.all():
            parts.append(f"{int(np.sum(~self.typical))} unlike anything learned")
        return f"Latents({', '.join(parts)})"

    def __getitem__(self, key: Any) -> Any:
        """The array of a group by its name, or the latents of some images, as of an array."""
        if isinstance(key, str):
            if key not in self.groups:
                raise InputError(f"`{key}`: the groups are {', '.join(self.groups)}.")
            return self.groups[key]
        rows = np.arange(len(self))[key]
        return self._of(np.atleast_1d(rows))

    def __iter__(self) -> Iterator["Latents"]:
        return (self[row] for row in range(len(self)))

    def _of(self, rows: np.ndarray) -> "Latents":
        def chosen(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[rows]

        return Latents(
            {name: z[rows] for name, z in self.groups.items()},
            tuple(self.names[row] for row in rows) if self.names else (),
            chosen(self.images),
            chosen(self.error),
            chosen(self.typical),
        )

    def with_geometry_of(self, other: "Latents") -> "Latents":
        """These appearances in the geometry of others.

        Args:
            other: as many latents, or one for all.

        Raises:
            InputError: another number, or a model without geometry.
        """
        return self._with("geometry", other)

    def with_appearance_of(self, other: "Latents") -> "Latents":
        """These geometries with the appearance of others; arguments as of `with_geometry_of`."""
        return self._with("appearance", other)

    def _with(self, group: str, other: "Latents") -> "Latents":
        if not isinstance(other, Latents):
            raise InputError(f"`other` must be Latents, not {type(other).__name__}.")
        if group not in self.groups or group not in other.groups:
            raise InputError(f"these latents have no {group}: the model has no such group.")
        if len(other) not in (1, len(self)) and len(self) != 1:
            raise InputError(
                f"`other` has {len(other)} latents: {len(self)}, or one for all, are needed."
            )
        count = max(len(self), len(other))
        groups = {
            name: np.broadcast_to(z, (count, z.shape[1])).copy()
            for name, z in (self.groups | {group: other.groups[group]}).items()
        }
        return Latents(groups)

    def moved(self, groups: LatentArrays) -> "Latents":
        """Latents of the same names that are of no image any more."""
        return Latents(groups, self.names)


def joined(latents: Sequence[Latents]) -> Latents:
    """Latents one after the other; what only some of them know is left out."""
    groups = {name: np.concatenate([z.groups[name] for z in latents]) for name in latents[0].groups}

    def together(values: list[Any]) -> np.ndarray | None:
        return None if any(v is None for v in values) else np.concatenate(values)

    named = all(z.names for z in latents)
    return Latents(
        groups,
        tuple(name for z in latents for name in z.names) if named else (),
        together([z.images for z in latents]),
        together([z.error for z in latents]),
        together([z.typical for z in latents]),
    )
