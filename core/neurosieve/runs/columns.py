"""The names of the columns of a run's tables, and what the words in them mean."""

from collections.abc import Mapping

__all__ = [
    "BASELINES",
    "HELDOUT",
    "KEYS",
    "SINGLE_VERDICTS",
    "TEXT_BASELINES",
    "VERDICTS",
    "VERDICTS_ON_WHOLE_TEXTS",
    "minus_neutral",
    "minus_neutral_heldout",
]

KEYS = ["behaviour", "layer", "neuron"]
"""What a row of the table `neurons` is about."""
HELDOUT = "_heldout"
"""Ends the name of a score on the held-out part."""


def minus_neutral(scorer: str) -> str:
    """Return the column of a score less its value at chance level."""
    return f"{scorer}_minus_neutral"


def minus_neutral_heldout(scorer: str) -> str:
    """Return the column of the same on the held-out part; `_low` and `_high` are the ends of its interval."""
    return minus_neutral(scorer) + HELDOUT


VERDICTS: Mapping[str, str] = {
    "anticipates": "the neuron separates the behaviour from controls already at the token before it, also among "
    "positions with the same token there (the words before may do so too)",
    "behaviour": "the neuron separates the behaviour from controls among positions with the same token: it detects "
    "more than this word (the words before may do so too)",
    "token detector": "the neuron separates the behaviour from controls, but less than half as well among positions "
    "with the same token: it may detect a word",
    "reversed": "the neuron separates the behaviour from controls, but with the opposite sign among positions with the "
    "same token: it detects a word",
    "within groups": "the neuron separates the behaviour from controls among whole texts of one group, such as samples "
    "of one problem: it detects more than the group",
    "between groups": "the neuron separates the behaviour from controls, but less than half as well among whole texts "
    "of one group: it may tell groups apart, such as hard problems from easy ones",
    "reversed within groups": "the neuron separates the behaviour from controls, but with the opposite sign among "
    "whole texts of one group: it tells groups apart",
    "replicated": "the neuron separates the behaviour from controls; whether it detects more than this word could not "
    "be tested, or the test decides nothing",
    "not replicated": "on the held-out groups the neuron does not separate the behaviour from controls with the sign "
    "of the ranking",
}
"""Each verdict on a neuron, and what it means."""

VERDICTS_ON_WHOLE_TEXTS: Mapping[str, str] = {
    **VERDICTS,
    "replicated": "the neuron separates the behaviour from controls; whether it detects more than the group could not "
    "be tested, or the test decides nothing",
}
"""The same, where each row stands for a whole text."""

SINGLE_VERDICTS: Mapping[str, str] = {
    "drives": "under its edit the first token of the behaviour is less likely: more so than under that of each of its "
    "control neurons, and more so than tokens elsewhere",
    "opposes": "under its edit the first token of the behaviour is more likely: more so than under that of each of its "
    "control neurons, and more so than tokens elsewhere",
    "general": "its edit changes the first token of the behaviour, and tokens elsewhere in the same direction; its "
    "effect does not exceed theirs",
    "reads out only": "the neuron fires with the behaviour, which replicates in the ranking by activation; its edit "
    "changes the tokens of the behaviour, and its first token compared with tokens elsewhere, by less than the "
    "smallest effect worth having",
    "not settled": "none of these was shown: the interval is too wide, or the effect does not exceed that on control "
    "neurons, or that on tokens elsewhere, or nothing is known of the neuron's firing",
}
"""Each verdict on a neuron that was edited alone, and what it means."""

TEXT_BASELINES: Mapping[str, str] = {
    "token": "the id of the token that is read",
    "token kind": "what kind of token it is: the start of a sentence or a word, a piece, a number, punctuation",
    "position": "how far into its completion the token stands",
    "previous tokens": "which tokens are among the 20 before it, in any order",
    "length": "how many tokens the unit has",
    "length range": "which twentieth of all lengths the unit is in, an effect of any shape",
    "bag of tokens": "which tokens the unit has, in any order",
    "prompt length": "which twentieth of all lengths its prompt is in",
    "bag of prompt tokens": "which tokens its prompt has, in any order",
}
"""Each baseline of the text, and what it is computed from. At a prompt's end, the unit's are of the whole prompt."""

BASELINES: Mapping[str, str] = {
    **TEXT_BASELINES,
    "level": "the level of its problem",
    "type": "the type of its problem",
}
"""Each baseline, and what it is computed from; that of a further field of the records has the field's name."""
