"""The texts that a model is tested on: one, the same with other endings, and the same beside a longer one."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurosieve.errors import ModelError
from neurosieve.models.loading import LanguageModel
from neurosieve.wording import plural

__all__ = ["SampleTexts", "TokenIds", "sample_texts"]

_TEXT = """Let me count the jars first: 12 crates hold 7 jars each, which makes 84. Wait, that is not right, two of the
crates were empty. The train to the coast leaves at nine, and she has forgotten her umbrella on the kitchen table."""
_SHARED, _WHOLE, _LONGER = 16, 32, 48
"""Of so many tokens the activations are compared; the test text is so long; and so is the text beside it in a batch."""

TokenIds = npt.NDArray[np.int64]


class SampleTexts(NamedTuple):
    """Token ids of the texts that a model is tested on."""

    whole: tuple[TokenIds, ...]
    """The test text."""
    other_endings: tuple[TokenIds, ...]
    """The same text with other tokens behind those that are compared."""
    batch: tuple[TokenIds, ...]
    """What is compared of the test text, beside a longer text."""
    compared: tuple[TokenIds, ...]
    """Which tokens are compared: not those that stand for no text, whose activations can be hundreds of times as
    large."""


def sample_texts(model: LanguageModel, context: int | None) -> SampleTexts:
    """Return the token ids of the test texts.

    Raises:
        ModelError: the tokenizer gives too few different tokens to test with.
    """
    tokenizer, length = model.tokenizer, min(_LONGER, context or _LONGER)
    special = np.array(tokenizer.all_special_ids, dtype=np.int64)
    ids = np.array(tokenizer(_TEXT, verbose=False)["input_ids"], dtype=np.int64)[:length]
    plain = np.unique(ids[~np.isin(ids, special)])
    if len(plain) < 2:  # It was made for no language, as those of proteins are.
        added = list(tokenizer.get_added_vocab().values())
        plain = np.setdiff1d(np.array(list(tokenizer.get_vocab().values()), dtype=np.int64), added)
        ids = np.resize(plain, length)
    whole = ids[:_WHOLE]
    shared = min(_SHARED, len(whole) // 2)
    compared = np.flatnonzero(~np.isin(whole[:shared], special))
    if len(plain) < 2 or not len(compared):
        raise ModelError(
            f"`{model.name}` cannot be tested before it is read: its tokenizer knows {plural(len(plain), 'token')}, "
            f"and its context holds {length:,}: give the tokenizer that belongs to the model"
        )
    # Each token becomes another one, and none that may have a meaning of its own, such as one that stands for an image.
    place = np.searchsorted(plain, whole[shared:]) % len(plain)
    endings = [plain[(place + shift) % len(plain)] for shift in (1, len(plain) // 3 + 1, len(plain) // 2 + 1)]
    return SampleTexts(
        (whole,),
        tuple(np.concatenate([whole[:shared], ending]) for ending in endings),
        (whole[:shared], ids),
        (compared,),
    )
