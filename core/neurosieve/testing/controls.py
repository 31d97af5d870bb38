"""What a control promises."""

import copy
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from neurosieve.contracts import Control
from neurosieve.data import Present, TokenizedDocument
from neurosieve.testing.declarations import need_of_other_documents_is_declared
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, checker, require, shown, trying, unchanged

__all__ = ["CONTROL_CHECKS", "check_control"]


class _Case(NamedTuple):
    """A document to choose from."""

    what: str
    document: TokenizedDocument
    present: Present


def _case(what: str, usable: Sequence[bool], spans: Sequence[range] = (), elsewhere: int = 30) -> _Case:
    """Return a document of tokens that recur, with spans in it and `elsewhere` onsets in other documents."""
    tokens, rng = len(usable), np.random.default_rng(7)
    token_ids, relative, starts = rng.integers(0, 8, tokens), np.linspace(0, 1, tokens), np.arange(tokens)
    onsets = [span.start for span in spans]
    document = TokenizedDocument(
        what, what, "x" * tokens, token_ids, starts, starts + 1, np.array(usable, dtype=bool), relative
    )
    present = Present(
        here=spans,
        onsets=onsets,
        anchor_token_ids=np.concatenate([token_ids[onsets], rng.integers(0, 4, elsewhere)]).astype(np.int64),
        anchor_relative=np.concatenate([relative[onsets], rng.random(elsewhere)]),
    )
    return _Case(what, document, present)


def _cases() -> list[_Case]:
    completion = [token >= 20 and token % 11 != 0 for token in range(300)]
    return [
        _case("a document with the behaviour", completion, [range(60, 64), range(62, 70), range(200, 201)]),
        _case("a document without the behaviour", completion),
        _case("a document that is all behaviour", completion, [range(20, 300)]),
        _case("a document with the behaviour at either end", completion, [range(20, 25), range(290, 300)]),
        _case("a short document", [True] * 5, [range(2, 3)]),
        _case("the behaviour nowhere", completion, elsewhere=0),
        *_unusable(),
    ]


def _unusable() -> list[_Case]:
    behaviour = range(60, 64)
    usable = [token in behaviour for token in range(300)]
    return [
        _case("a document without a usable token", [False] * 300),
        _case("a document with the behaviour but no other usable token", usable, [behaviour]),
        _case("a document without a token", []),
    ]


def _chosen(control: Control, case: _Case, count: int, seed: int = 0) -> list[Any]:
    with trying(control, f"as {count} tokens of {case.what} are asked for"):
        return list(control.choose(case.document, case.present, count, np.random.default_rng(seed)))


def _choices(control: Control) -> Iterator[tuple[str, _Case, int, list[Any]]]:
    for case, count in product(_cases(), (0, 1, 7, 1000)):
        # Of a copy: whether it is left alone is another check.
        chosen = _chosen(control, copy.deepcopy(case), count)
        what = f"{shown(control)}, asked for {count} tokens of {case.what}, gives {shown(chosen)}"
        yield what, case, count, chosen


def it_chooses_at_most_so_many_different_tokens(control: Control) -> None:
    """Assert that no more tokens are chosen than asked for, none of them twice."""
    for what, _, count, chosen in _choices(control):
        require(len(chosen) <= count, f"{what}: {len(chosen)} tokens")
        require(len(set(chosen)) == len(chosen), f"{what}: some of them twice")


def it_chooses_usable_tokens_outside_the_spans(control: Control) -> None:
    """Assert that what is chosen may be a position and does not show the behaviour."""
    for what, case, _, chosen in _choices(control):
        tokens = len(case.document.token_ids)
        for token in chosen:
            exists = isinstance(token, int | np.integer) and 0 <= token < tokens
            require(exists, f"{what}: {shown(token)} is not a token of its {tokens}")
            require(case.document.usable[token], f"{what}: token {token} is not usable")
            for span in case.present.here:
                require(token not in span, f"{what}: token {token} is in the span {span}")


def the_same_seed_gives_the_same(control: Control) -> None:
    """Assert that chance comes from `rng` alone, and that what was chosen before does not matter."""
    fresh = [_chosen(copy.deepcopy(control), case, 7, seed=3) for case in _cases()]
    for case, first in reversed(list(zip(_cases(), fresh, strict=True))):
        again = _chosen(control, case, 7, seed=3)
        require(first == again, f"{shown(control)} chooses {first} of {case.what}, and by the same seed {again} later")


def nothing_is_chosen_where_nothing_is_usable(control: Control) -> None:
    """Assert that a document without a usable token outside the behaviour offers none."""
    for case in _unusable():
        chosen = _chosen(control, case, 7)
        require(not chosen, f"{shown(control)} chooses {shown(chosen)} of {case.what}")


def choosing_leaves_the_document_alone(control: Control) -> None:
    """Assert that a document is the same after choosing: other behaviours read it too."""
    for case in _cases():
        names = ("token_ids", "starts", "ends", "usable", "relative")
        arrays = {name: getattr(case.document, name) for name in names}
        with (
            unchanged(control, arrays, f"of {case.what}"),
            unchanged(control, case.present._asdict(), f"of the `Present` that it gets, with {case.what}"),
        ):
            _chosen(control, case, 7)


CONTROL_CHECKS: tuple[Check, ...] = (
    *PLUGIN_CHECKS,
    need_of_other_documents_is_declared,
    it_chooses_at_most_so_many_different_tokens,
    it_chooses_usable_tokens_outside_the_spans,
    the_same_seed_gives_the_same,
    nothing_is_chosen_where_nothing_is_usable,
    choosing_leaves_the_document_alone,
)
check_control = checker(CONTROL_CHECKS)
