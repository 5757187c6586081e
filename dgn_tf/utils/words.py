"""Words of messages."""


def counted(count: int, noun: str) -> str:
    """A number of things, such as "1 image" or "2,000 images".

    Args:
        count: how many.
        noun: for one of them, whose plural ends in "s".
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
