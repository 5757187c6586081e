"""How a setting is declared: once, with its help; the command-line flags are made from it."""

import dataclasses


def setting(default, help, choices=None, fixed=True):
    """A dataclass field. A run that is resumed may not change a `fixed` setting."""
    return dataclasses.field(
        default=default, metadata={"help": help, "choices": choices, "fixed": fixed}
    )
