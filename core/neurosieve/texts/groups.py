"""Which documents are one group: those of one problem, however it is spelled, and those whose texts are alike."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

from scipy.cluster.hierarchy import DisjointSet

from neurosieve.texts.copies import with_text_sets
from neurosieve.texts.duplicates import clusters_of
from neurosieve.texts.positions import UnitKind
from neurosieve.texts.sameness import model_words, prompt_words, shown_names
from neurosieve.texts.tokens import LabelledDocument

__all__ = ["join_groups"]


def join_groups(
    documents: Sequence[LabelledDocument],
    near_duplicates: float | None,
    counts: Counter[str],
    unit: UnitKind = "token",
) -> list[LabelledDocument]:
    """Return the documents, each in the group that a split has to keep together.

    Groups whose names are the same are one, and so are those that hold texts which are alike: whose Jaccard index of
    runs of words is at least `near_duplicates`; None looks for none. What is joined has the first of its names in
    order, whatever the order of the documents. `counts` gains how much was joined. Each document also gets the sets of
    texts to which it is alike where behaviours are looked for. Where the ends of prompts are what is read, texts are
    alike whose prompts are the same, whatever was answered.
    """
    names = shown_names(document.tokens.group for document in documents)
    counts["groups_spelled_differently"] += len(names) - len(set(names.values()))
    groups = [names[document.tokens.group] for document in documents]
    if near_duplicates is not None:
        clusters = _clusters(documents, near_duplicates, unit)
        groups, documents = _joined(groups, clusters, counts), with_text_sets(documents, clusters, unit)
    return [_in_group(document, group) for document, group in zip(documents, groups, strict=True)]


def _clusters(documents: Sequence[LabelledDocument], near_duplicates: float, unit: UnitKind) -> list[int]:
    if unit != "prompt_end":
        return clusters_of([model_words(document.tokens) for document in documents], near_duplicates)
    number_of: dict[str, int] = {}
    prompts = (prompt_words(document.tokens) for document in documents)
    return [number_of.setdefault(prompt, len(number_of)) for prompt in prompts]


def _joined(groups: Sequence[str], clusters: Sequence[int], counts: Counter[str]) -> list[str]:
    """Return the group of each document once those that share a cluster of texts are joined."""
    sizes = Counter(clusters)
    counts["texts_alike"] += sum(size for size in sizes.values() if size > 1)
    counts["sets_of_texts_alike"] += sum(size > 1 for size in sizes.values())
    joined = DisjointSet([*groups, *clusters])
    for group, cluster in zip(groups, clusters, strict=True):
        joined.merge(group, cluster)
    name: dict[str | int, str] = {}
    for group in sorted(set(groups)):
        name.setdefault(joined[group], group)
    counts["groups_with_texts_alike"] += len(set(groups)) - len(name)
    return [name[joined[group]] for group in groups]


def _in_group(document: LabelledDocument, group: str) -> LabelledDocument:
    if document.tokens.group == group:
        return document
    return dataclasses.replace(document, tokens=dataclasses.replace(document.tokens, group=group))
