"""Behaviours that show nowhere, and where alone they were looked for."""

from collections.abc import Mapping, Sequence

from neurosieve.data import Scope
from neurosieve.texts.spans import DetectedDocument, Detectors
from neurosieve.wording import plural

__all__ = ["absence_warnings", "looked_in", "nowhere"]


def absence_warnings(detected: Sequence[DetectedDocument], detectors: Detectors) -> list[str]:
    """Return a warning for each behaviour that shows in none of some documents."""
    where = plural(len(detected), "document")
    return [
        nowhere(name, detector.scope, where)
        for name, detector in detectors.items()
        if not any(result.spans[name] for result in detected)
    ]


def nowhere(behaviour: str, scope: Scope, where: str) -> str:
    """Return that a behaviour shows nowhere, with the scope where that is less than all that the model wrote."""
    alone = (
        ""
        if scope == "completion"
        else f", where its detector looks in the {scope} alone (`detectors.{behaviour}.scope={scope}`)"
    )
    return f"`{behaviour}` shows nowhere in {where}{alone}"


def looked_in(scopes: Mapping[str, Scope]) -> str:
    """Return which behaviours were looked for in less than all that the model wrote, and where; "" for none."""
    return ", ".join(f"`{name}` looks in the {scope} alone" for name, scope in scopes.items() if scope != "completion")
