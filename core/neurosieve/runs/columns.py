"""The words that stand in the tables of a run, and what each says."""

from collections.abc import Mapping

__all__ = ["BASELINES", "VERDICTS"]

VERDICTS: Mapping[str, str] = {
    "anticipates": "it tells the behaviour at the token before, also among positions that hold the same token there "
    "(the words before may tell it too)",
    "behaviour": "it tells the behaviour among positions that hold the same token: more than this word (the words "
    "before may tell it too)",
    "token detector": "it tells the behaviour, but among positions that hold the same token less than half as well: it "
    "may detect a word",
    "reversed": "it tells the behaviour, but among positions that hold the same token the other way round: what it "
    "tells is a word",
    "replicated": "it tells the behaviour; too few positions share a token to say whether it is more than a word",
    "not replicated": "on the groups that had no part in the ranking it does not tell the behaviour with this sign",
}
"""Each verdict, and what it says of a neuron."""

BASELINES: Mapping[str, str] = {
    "token": "the id of the token that is read",
    "position": "how far into its completion the token stands",
    "previous tokens": "which tokens are among the 20 before it, in any order",
}
"""Each baseline, and what it goes by."""
