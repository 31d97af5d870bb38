"""Which texts are no new evidence of a behaviour: those that are the same as another, or nearly.

A null permutes the labels of each document on their own. In copies the labels are the same and the activations are,
too: the sum over two copies spreads twice as widely as two independent documents would, and noise passes the null.
"""

import dataclasses
from collections.abc import Hashable, Iterable, Mapping, Sequence

import xxhash
from scipy.cluster.hierarchy import DisjointSet

from neurosieve.data import Scope, TokenizedDocument
from neurosieve.texts.positions import WHOLE_TEXTS, UnitKind
from neurosieve.texts.sameness import canonical, hash_of, model_words, prompt_words
from neurosieve.texts.tokens import LabelledDocument
from neurosieve.wording import plural

__all__ = ["repeated_readings", "repeated_readings_warning", "repeats_of", "text_key", "with_text_sets"]


def with_text_sets(
    documents: Sequence[LabelledDocument], clusters: Sequence[int], unit: UnitKind = "token"
) -> list[LabelledDocument]:
    """Return the documents, each with the set of texts alike that it is in, for each scope that is looked in.

    Two texts are in one set where all up to the end of the scope is the same: what follows cannot change how a model
    reads it. Where what the model wrote is looked in, so are texts of the same of `clusters`, which are alike there.
    Prompts that are nearly the same, such as those of one template, are not. Of texts whose prompts' ends are read,
    the sets are those of the same prompt, wherever behaviours are looked for.
    """
    scopes = {scope for document in documents for scope in document.scopes.values()} or {"completion"}
    if unit == "prompt_end":
        scopes = {"prompt"}
    sets: list[dict[Scope, int]] = [{} for _ in documents]
    for scope in sorted(scopes):
        keys = [_read_first(document.tokens, scope, unit) for document in documents]
        alike = DisjointSet(range(len(documents)))
        for same in (keys, [None] * len(keys) if scope == "prompt" else clusters):
            first: dict[Hashable, int] = {}
            for number, key in enumerate(same):
                if key is not None:
                    alike.merge(first.setdefault(key, number), number)
        for number, of_document in enumerate(sets):
            if alike.subset_size(number) > 1:
                of_document[scope] = alike[number]
    return [_in_sets(document, of_document) for document, of_document in zip(documents, sets, strict=True)]


def repeats_of(behaviour: str, documents: Sequence[LabelledDocument], unit: UnitKind = "token") -> set[int]:
    """Return the numbers of the documents that are not to be read for a behaviour.

    Of texts that are alike the first by id is read in which it shows, and the first in which it does not: pairs of
    texts that differ in the behaviour alone stay.
    """
    seen, repeats = set[tuple[int, bool]](), set[int]()
    for number, document in sorted(enumerate(documents), key=lambda item: item[1].tokens.id):
        text_set = document.text_sets.get("prompt") if unit == "prompt_end" else document.text_set(behaviour)
        # A text of which it is not known whether it shows the behaviour is not read as a whole, and stands for none.
        unknown = unit in WHOLE_TEXTS and not document.ranges[behaviour] and document.near_misses.get(behaviour)
        if text_set is None or unknown:
            continue
        if (key := (text_set, bool(document.ranges[behaviour]))) in seen:
            repeats.add(number)
        seen.add(key)
    return repeats


def text_key(document: TokenizedDocument, unit: UnitKind = "token") -> str:
    """Return a hash that is the same for documents which are no new evidence beside each other, by what is read.

    It is that of the model's words, or of a text that is all prompt, of that. Where whole completions are read, it is
    that of prompt and completions, since short answers are often the same by chance; where the ends of prompts are
    read, that of the prompt.
    """
    if unit == "prompt_end":
        return hash_of(prompt_words(document))
    words = model_words(document)
    if unit == "completion" and words:
        return hash_of(canonical(document.text[: document.stretches()[-1][1]]))
    return hash_of(words or canonical(document.text))


def repeated_readings(present: Iterable[tuple[TokenizedDocument, int]]) -> int:
    """Return how many of some tokens stand behind the same tokens as another: a model computes the same at both.

    Of a unit of several tokens, it is the last.
    """
    readings = [xxhash.xxh3_128_digest(document.token_ids[: token + 1].tobytes()) for document, token in present]
    return len(readings) - len(set(readings))


def repeated_readings_warning(repeated: int, what: str, consequence: str) -> list[str]:
    """Return a warning of as many tokens as `repeated_readings` counts; nothing where there are none.

    `what` one of them is called; `consequence` says what they do to the results, as half a sentence.
    """
    if not repeated:
        return []
    return [
        f"{plural(repeated, what)} {'stands' if repeated == 1 else 'stand'} behind the same tokens as another, in "
        f"texts that begin alike: a model computes the same there, {consequence}; give one text of each beginning"
    ]


def _read_first(document: TokenizedDocument, scope: Scope, unit: UnitKind) -> str | None:
    """Return the text up to the end of a scope, in its canonical form; None where the document does not have it."""
    if unit == "prompt_end":
        return prompt_words(document)
    stretches = document.stretches(scope)
    return canonical(document.text[: stretches[-1][1]]) if stretches else None


def _in_sets(document: LabelledDocument, sets: Mapping[Scope, int]) -> LabelledDocument:
    return dataclasses.replace(document, text_sets=sets) if sets or document.text_sets else document
