"""Why nothing is suggested for a detector, and what suggestions cannot be measured by."""

from collections.abc import Mapping
from typing import Any

from neurosieve.detection.suggestion.proposed_phrases import Suggest
from neurosieve.texts.spans import Detect
from neurosieve.wording import plural, visible

__all__ = ["suggestion_warnings"]


def suggestion_warnings(name: str, record: Mapping[str, Any], suggest: Suggest, settings: Detect) -> list[str]:
    """Return why nothing is suggested, where that is so, and what the suggestions cannot be measured by."""
    shown, label = visible(name), record["reference"]
    warnings = []
    proposing, heldout = record["proposing"], record["held_out"]
    if record["sentences_not_known"]:
        warnings.append(
            f"of {plural(record['sentences_not_known'], 'sentence')} it is not known whether they show `{label}`: they "
            "had no part in the suggestions"
        )
    if record["not_known_to_detector"]:
        warnings.append(
            f"`{shown}` does not know of {plural(record['not_known_to_detector'], 'sentence')} whether the behaviour "
            "shows there: they do not count as missed"
        )
    if not record["proposed"]:
        if not proposing["missed"]:
            why = f"it misses no sentence that shows `{label}`"
        elif proposing["showing"] == proposing["sentences"]:
            why = f"every sentence shows `{label}`, and phrases are told from sentences that do not"
        elif not record["tried"]:
            why = f"no word of the {proposing['missed']:,} sentences that it misses is in {suggest.min_groups} groups"
        else:
            why = (
                f"of {plural(record['tried'], 'phrase')} that were tried none adds sentences of {suggest.min_groups} "
                f"groups with a precision of {suggest.precision:g}"
            )
        warnings.append(f"nothing is suggested for `{shown}`: in the half of the groups that proposes {why}")
    elif not heldout["showing"]:
        warnings.append(
            f"no sentence of the held-out half of the groups shows `{label}`: what the suggestions for `{shown}` are "
            "worth is not known; give more texts"
        )
    elif heldout["groups"] < settings.min_groups:
        warnings.append(
            f"{plural(heldout['groups'], 'group')} say what the suggestions for `{shown}` are worth: with fewer than "
            f"{settings.min_groups} there is no interval"
        )
    return warnings
