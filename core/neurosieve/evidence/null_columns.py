"""The permutation null of every behaviour, joined to its neurons."""

import numpy as np
import pandas as pd

from neurosieve.activations.reading import labelled_batch, labelled_batches
from neurosieve.evidence.exchange import Exchange, NullKind, exchange_of, fixed_blocks, null_of
from neurosieve.evidence.permutation import FEWEST, Null, arrangements_of, permutation_null
from neurosieve.evidence.ranked import Ranked
from neurosieve.runs.columns import KEYS
from neurosieve.texts.selection import Selection
from neurosieve.wording import plural

__all__ = ["NullNumbers", "add_null"]

NullNumbers = dict[str, float | int | str | list[str] | None]
"""What `run.json` says of the null of one behaviour."""

_TOO_FEW = {
    "signs_of_groups": ("groups to flip them", "give more texts"),
    "within_documents": ("documents to permute its labels", "give more texts"),
    "within_groups": ("groups to permute its labels within them", "give more groups, or more texts of each"),
}
"""Where there are too few arrangements of labels, and what gives more."""


def add_null(
    neurons: pd.DataFrame, ranked: Ranked, selection: Selection
) -> tuple[pd.DataFrame, dict[str, NullNumbers], list[str]]:
    """Return the ranking with `p`, `p_fwer` and `q_fdr`, the null of each behaviour in numbers, and warnings.

    All three are nan for a behaviour whose labels can be arranged in too few ways or in which no neuron has a score,
    for a scorer that rates neurons jointly, for which there is no null of single neurons, and where labels would be
    permuted among neighbouring tokens, which are alike: the present ones would move apart, as they never do.
    Without permutations these columns are left out.
    """
    settings, positions = ranked.settings, ranked.positions
    tables, nulls, warnings = [], dict[str, NullNumbers](), list[str]()
    if not settings.permutations:
        return neurons, nulls, ["no null was requested (`permutations=0`): how high chance alone scores is not known"]
    kind = null_of(settings, positions.unit)
    if ranked.scorer.joint:
        warnings.append("a scorer that rates neurons jointly has no permutation null of single neurons: p is nan")
    for behaviour in () if ranked.scorer.joint else positions.behaviours:
        column = positions.column(behaviour)
        first = labelled_batch(ranked.space, positions, column, ranked.space.sites[0])
        exchange = exchange_of(positions, column, kind, settings)
        ways = float(np.exp(min(700.0, arrangements_of(first, ranked.scorer, exchange))))
        if refusal := _refusal(behaviour, ranked, selection, kind, exchange, ways):
            warnings.append(refusal)
            continue
        layers = labelled_batches(ranked.space, positions, column, "permuting", ranked.announce)
        null = permutation_null(layers, ranked.scorer, settings.permutations, settings.seed, exchange)
        if np.isnan(null.p).all():
            warnings.append(f"no neuron of `{behaviour}` has a score: p is nan")
            continue
        nulls[behaviour] = {
            **_numbers(null, settings.permutations, ways),
            "exchanged": "signs_of_groups" if ranked.scorer.between_documents else kind,
            "strata": list(settings.strata),
        }
        tables.append(_table(behaviour, null, [site.layer for site in ranked.space.sites]))
    if not tables:
        return neurons.assign(p=np.nan, p_fwer=np.nan, q_fdr=np.nan), nulls, warnings
    return neurons.join(pd.concat(tables), on=KEYS, validate="one_to_one"), nulls, warnings


def _refusal(
    behaviour: str, ranked: Ranked, selection: Selection, kind: NullKind, exchange: Exchange, ways: float
) -> str | None:
    """Return why a behaviour has no null; None where it has one."""
    flips = ranked.scorer.between_documents
    if selection.neighbours and not flips:
        return (
            f"the positions of `{behaviour}` are neighbouring tokens of its spans, which are alike: they are not "
            "exchangeable with scattered controls, and p is nan; read `selection=onset` for p, or rank by "
            "`auc_within_token`, whose null keeps whole problems together"
        )
    if ways < FEWEST and exchange.blocks is not None and not flips:
        alone, total = fixed_blocks(exchange.blocks, exchange.strata)
        same = "size and stratum" if ranked.settings.strata else "size"
        return (
            f"`{behaviour}` has {plural(total, 'group')} in the ranking part, of which {total - alone:,} have another "
            f"of their {same} to exchange labels with (`null=between_groups`). That gives "
            f"{plural(int(ways), 'arrangement')} of the labels, and a p takes {FEWEST}: p is nan; give more groups of "
            f"one size{', fewer `strata`,' if ranked.settings.strata else ''} or take `null=within_groups`"
        )
    if ways < FEWEST:
        where, advice = _TOO_FEW["signs_of_groups" if flips else kind]
        return (
            f"`{behaviour}` shows together with controls in too few {where} ({ways:.0f} arrangements): p is nan; "
            f"{advice}"
        )
    return None


def _numbers(null: Null, draws: int, ways: float) -> NullNumbers:
    return {
        "permutations": draws,
        "arrangements": None if ways > 1e15 else int(ways),
        "null_max_median": float(np.median(null.largest)),
        "null_max_q95": float(np.quantile(null.largest, 0.95)),
        "null_max": float(null.largest.max()),
        "p_fwer_05": int((null.p_fwer <= 0.05).sum()),
        "q_fdr_05": int((null.q_fdr <= 0.05).sum()),
    }


def _table(behaviour: str, null: Null, layers: list[int]) -> pd.DataFrame:
    indices = np.arange(len(null.p) // len(layers), dtype=np.int32)
    keys = pd.MultiIndex.from_product([[behaviour], np.array(layers, dtype=np.int32), indices], names=KEYS)
    return pd.DataFrame({"p": null.p, "p_fwer": null.p_fwer, "q_fdr": null.q_fdr}, index=keys)
