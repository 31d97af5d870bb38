"""Problems that reasoning-gym makes."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge

from neurosieve import ConfigError, DataError, Problem, Problems, check_fields, nearest

__all__ = ["ReasoningGym"]


@dataclass(frozen=True)
class ReasoningGym(Problems):
    """Problems of the library reasoning-gym, made offline from a seed, with answers that can be checked.

    Its type is the task that a problem is of. Some tasks have many right answers: their problems come without one.

    >>> problem = next(iter(ReasoningGym(("chain_sum",), count=1)))  # doctest: +SKIP
    >>> problem.text, problem.answer  # doctest: +SKIP
    ('State the final answer to the following arithmetic problem: 4 - 1 - 7 =', '-4')
    """

    tasks: tuple[str, ...] = ("gsm_symbolic",)
    """Tasks of reasoning-gym, such as `gsm_symbolic`, `chain_sum` or `leg_counting`."""
    count: Annotated[int, Ge(1)] = 100
    """How many problems of each task."""
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.tasks, str) or not self.tasks:
            raise ConfigError(
                f"`tasks` of the problems `reasoning_gym` is {self.tasks!r}: give a list, as in [gsm_symbolic]"
            )
        if len(set(self.tasks)) < len(self.tasks):
            raise ConfigError("`tasks` of the problems `reasoning_gym` names one twice: name each once")
        check_fields(self, "the problems `reasoning_gym`: ")

    def __iter__(self) -> Iterator[Problem]:
        gym = _library()
        for task in self.tasks:
            if task not in gym.factory.DATASETS:
                hint = textwrap.shorten(nearest(task, gym.factory.DATASETS), 300, placeholder=" …")
                raise ConfigError(f"reasoning-gym has no task `{task}`: {hint}")
        for task in self.tasks:
            try:
                entries = gym.create_dataset(task, size=self.count, seed=self.seed)
            except (TypeError, ValueError, AssertionError) as error:
                raise DataError(f"reasoning-gym cannot make problems of `{task}` ({error}): leave it out") from error
            for number, entry in enumerate(entries):
                yield _problem(task, number, entry)


def _library() -> Any:
    try:
        import reasoning_gym
        import reasoning_gym.factory
    except ImportError as error:
        raise ConfigError(
            f"the problems `reasoning_gym` cannot be made ({error}): `pip install neurosieve[problems]`, "
            "or take `problems=arithmetic`, which needs nothing"
        ) from error
    return reasoning_gym


def _problem(task: str, number: int, entry: dict[str, Any]) -> Problem:
    return Problem(
        id=f"{task}-{number:04d}",
        text=entry["question"],
        answer=None if entry["answer"] is None else str(entry["answer"]),
        type=task,
        solution=str(entry["metadata"].get("answer_cot", "")),
        metadata=entry["metadata"],
    )
