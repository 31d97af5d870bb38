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
    `n` include those for a smaller one.

    Raises:
        DataError: there is no problem, or one without a text, or two share an id.
        ConfigError: no problem has such a level or type, or there are fewer than `n`.
    """
    by_id: dict[str, Problem] = {}
    for problem in problems:
        if not isinstance(problem, Problem):
            raise DataError(f"the problems hold {problem!r:.80}, which is not a `neurosieve.Problem`: wrap each in one")
        if not problem.text.strip():
            raise DataError(f"the problem `{problem.id}` has no text: leave it out")
        if problem.id in by_id:
            raise DataError(f"two problems have the id `{problem.id}`: give each an id of its own")
        by_id[problem.id] = problem
    if not by_id:
        raise DataError("there are no problems: check where they come from")
    every = by_id.values()
    wanted_levels, wanted_types = _names(every, "level", levels), _names(every, "type", types)
    matching = [problem for problem in every if problem.level in wanted_levels and problem.type in wanted_types]
    if not matching:
        raise ConfigError(f"no problem is of levels {list(levels)} and of types {list(types)} at once: widen either")
    if n is None:
        return matching
    if n > len(matching):
        kind = " of these levels and types" if levels or types else ""
        raise ConfigError(
            f"n is {n:,}, and there are {len(matching):,} problems{kind}: lower it, or set n=null for all"
        )

    def rank(problem: Problem) -> tuple[bytes, str]:
        return hashlib.sha256(f"{seed}\0{problem.text}".encode()).digest(), problem.id

    drawn = {problem.id for problem in sorted(matching, key=rank)[:n]}
    return [problem for problem in matching if problem.id in drawn]


def _names(problems: Iterable[Problem], field: str, wanted: Sequence[str]) -> set[str]:
    """Return the levels or types that are wanted, all where none is named; `3` stands for `Level 3` too."""
    known: set[str] = {getattr(problem, field) for problem in problems}
    if not wanted:
        return known
    names: set[str] = set()
    for choice in map(str, wanted):
        matching = {name for name in known if name and choice.casefold() in (name.casefold(), _number(name))}
        if not matching:
            listed = ", ".join(f"`{name}`" for name in sorted(known) if name)
            have = f"they have {listed}" if listed else f"they have no {field} at all: set the field that holds it"
            raise ConfigError(f"no problem has the {field} `{choice}`; {have}")
        names |= matching
    return names


def _number(name: str) -> str:
    return name.casefold().removeprefix("level").strip()
