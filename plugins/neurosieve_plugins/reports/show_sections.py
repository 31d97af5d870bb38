"""The sections of neurons on text: heatmaps, the strongest contexts, the tokens that a neuron promotes."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurosieve import Run, contexts_table, neuron_name, plural
from neurosieve_plugins.reports.bar_charts import logits
from neurosieve_plugins.reports.blocks import Fold, Grid, Heatmap, Section
from neurosieve_plugins.reports.neuron_charts import token_bars
from neurosieve_plugins.reports.rankings import by_neuron
from neurosieve_plugins.reports.text import plain

__all__ = ["show_sections", "strongest_tokens"]

_VALUES = 400_000
"""So many activations are put into a page, at most."""
_STRONG = 6


def show_sections(run: Run) -> Iterator[Section]:
    """Yield what a run with a table `tokens`, `contexts` or `promoted` has to show."""
    if "tokens" in run.tables and len(tokens := run.table("tokens")):
        yield _on_text(tokens)
    if "contexts" in run.tables and len(contexts := run.table("contexts")):
        yield _contexts(contexts)
    if "promoted" in run.tables and len(promoted := run.table("promoted")):
        yield _promoted(promoted)


def _on_text(tokens: pd.DataFrame) -> Section:
    neurons = list(tokens[["layer", "neuron"]].drop_duplicates().itertuples(index=False, name=None))
    texts: list[dict[str, Any]] = []
    values = 0
    documents = tokens.document.drop_duplicates().tolist()
    for document in documents:
        of_document = tokens[tokens.document == document]
        values += len(of_document)
        if texts and values > _VALUES:
            break
        texts.append(_text(str(document), of_document, neurons))
    scales = [
        _scale([abs(value) for text in texts for value in text["values"][place] if value is not None])
        for place in range(len(neurons))
    ]
    data = {"neurons": [neuron_name(*neuron) for neuron in neurons], "scales": scales, "texts": texts}
    caption = (
        "Orange: the neuron is positive there; blue: negative; the deeper, the further from 0, on one scale for all "
        "texts of a neuron (its strongest hundredth is all of one colour). Underlined: a span of the behaviour. Point "
        "at a token, or step with the arrow keys, to read its value. ⏎ is a new line, ⇥ a tab."
    )
    if len(texts) < len(documents):
        caption += f" The first {len(texts)} of {plural(len(documents), 'text')}: tokens.parquet has all."
    lead = "What one neuron holds at every token of one text."
    bars = token_bars(strongest_tokens(texts[0], 0))
    return Section("Neurons on text", lead, (Heatmap("tokens", data, bars, caption),))


def _scale(sizes: Sequence[float]) -> float:
    """Return the size that has the deepest colour: a single huge one would leave all others pale."""
    return float(f"{np.quantile(sizes, 0.99):.3g}") if sizes else 0.0


def _text(document: str, tokens: pd.DataFrame, neurons: Sequence[tuple[int, int]]) -> dict[str, Any]:
    first = tokens[(tokens.layer == neurons[0][0]) & (tokens.neuron == neurons[0][1])].sort_values("token")
    values_of = tokens.pivot(index="token", columns=["layer", "neuron"], values="activation").reindex(first.token)
    values = [
        [None if math.isnan(value) else float(f"{value:.3g}") for value in values_of[neuron].tolist()]
        if neuron in values_of
        else [None] * len(first)
        for neuron in neurons
    ]
    return {
        "id": plain(document),
        "first": int(first.token.iloc[0]),
        "tokens": first.text.tolist(),
        # Empty where no span covers the token, the behaviours' names else.
        "marks": first.behaviour_spans.fillna("").tolist(),
        "values": values,
    }


def strongest_tokens(text: dict[str, Any], neuron: int) -> pd.DataFrame:
    """Return the lines of the chart of tokens for one neuron of a text, as the page's script makes them too."""
    values = [math.nan if value is None else value for value in text["values"][neuron]]
    table = pd.DataFrame(
        {
            "place": range(text["first"], text["first"] + len(values)),
            "token": [plain(token) for token in text["tokens"]],
            "activation": values,
            "marked": ["in a span" if mark else "elsewhere" for mark in text["marks"]],
        }
    ).dropna()
    strongest = table.activation.abs().sort_values(ascending=False, kind="stable").index
    named: list[int] = []
    for at in strongest:
        if len(named) < _STRONG and all(abs(at - other) > len(values) / 12 for other in named):
            named.append(at)
    return table.assign(name=[token if at in named else "" for at, token in zip(table.index, table.token, strict=True)])


def _contexts(contexts: pd.DataFrame) -> Section:
    blocks = tuple(
        Fold(neuron_name(*key), (contexts_table(of_neuron),), unfolded=place == 0, neuron=neuron_name(*key))
        for place, (key, of_neuron) in enumerate(by_neuron(contexts))
    )
    lead = "The places in the texts where each activation is largest, of either sign, with the token marked."
    return Section("Where each neuron is strongest", lead, blocks)


def _promoted(promoted: pd.DataFrame) -> Section:
    charts = []
    for (layer, neuron), of_neuron in by_neuron(promoted):
        table = of_neuron.assign(token=of_neuron.token.map(_quoted)).sort_values(["direction", "place"])
        charts.append((neuron_name(layer, neuron), logits(table)))
    caption = (
        "Orange: tokens whose logits the neuron raises as it is positive; blue: lowers (the other way round as it is "
        "negative). Its own direct write alone, before what later layers make of it; logits compare within one neuron."
    )
    lead = "The tokens that each neuron promotes and suppresses: its output weights, read through the unembedding."
    return Section("What each neuron promotes", lead, (Grid("promoted", tuple(charts), caption),))


def _quoted(token: object) -> str:
    return f"“{plain(token)}”"
