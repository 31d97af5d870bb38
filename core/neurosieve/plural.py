"""How many of what, in words."""

__all__ = ["plural"]


def plural(count: int, noun: str, several: str = "") -> str:
    """Return a count and its noun: of several, that with an `s`, or as it is given.

    >>> plural(1, "neuron"), plural(1200, "present position")
    ('1 neuron', '1,200 present positions')
    """
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"
