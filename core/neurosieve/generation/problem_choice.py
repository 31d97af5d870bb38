"""Which problems a model is given."""

import hashlib
from collections.abc import Iterable, Sequence

from neurosieve.data import Problem
from neurosieve.errors import ConfigError, DataError

__all__ = ["choose_problems"]


def choose_problems(
    problems: Iterable[Problem],
    n: int | None = None,
    levels: Sequence[str] = (),
    types: Sequence[str] = (),
    seed: int = 0,
) -> list[Problem]:
    """Return `n` problems of some levels and types, or all of them, in the order in which they came.

    Which ones are drawn depends on their texts and on `seed`, not on their order; and those that are drawn for a larger
    `n` hold those for a smaller one.

    Raises:
        DataError: there is no problem, or one without a text, or two share an id.
        ConfigError: no problem has such a level or type, or there are fewer than `n`.
    """
    known: dict[str, Problem] = {}
    for problem in problems:
        if not isinstance(problem, Problem):
            raise DataError(f"the problems hold {problem!r:.80}, which is no `neurosieve.Problem`: wrap each in one")
        if not problem.text.strip():
            raise DataError(f"the problem `{problem.id}` has no text: leave it out")
        if problem.id in known:
            raise DataError(f"two problems have the id `{problem.id}`: give each an id of its own")
        known[problem.id] = problem
    if not known:
        raise DataError("there are no problems: check where they come from")
    asked = {"level": _names(known.values(), "level", levels), "type": _names(known.values(), "type", types)}
    found = [one for one in known.values() if all(getattr(one, what) in names for what, names in asked.items())]
    if not found:
        raise ConfigError(f"no problem is of levels {list(levels)} and of types {list(types)} at once: widen either")
    if n is None:
        return found
    if n > len(found):
        kind = " of these levels and types" if levels or types else ""
        raise ConfigError(f"n is {n:,}, and there are {len(found):,} problems{kind}: lower it, or set n=null for all")
    drawn = sorted(found, key=lambda problem: (_drawn(problem, seed), problem.id))[:n]
    chosen = {problem.id for problem in drawn}
    return [problem for problem in found if problem.id in chosen]


def _names(problems: Iterable[Problem], what: str, wanted: Sequence[str]) -> set[str]:
    """Return the levels or types that are wanted, all where none is named; `3` stands for `Level 3` too."""
    there: set[str] = {getattr(problem, what) for problem in problems}
    if not wanted:
        return there
    names: set[str] = set()
    for one in map(str, wanted):
        matching = {name for name in there if name and one.casefold() in (name.casefold(), _number(name))}
        if not matching:
            listed = ", ".join(f"`{name}`" for name in sorted(there) if name)
            have = f"they have {listed}" if listed else f"they have no {what} at all: set the field that holds it"
            raise ConfigError(f"no problem has the {what} `{one}`; {have}")
        names |= matching
    return names


def _number(name: str) -> str:
    return name.casefold().removeprefix("level").strip()


def _drawn(problem: Problem, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{problem.text}".encode()).digest()
