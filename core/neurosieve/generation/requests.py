"""What goes to a backend that completes prompts, and what comes back."""

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

__all__ = ["Completion", "Edits", "Finish", "Request", "Row", "request_seed"]


class Request(NamedTuple):
    """A prompt to complete."""

    id: str
    prompt: str
    seed: int
    """With the prompt, the model and its sampling, this alone decides the completion."""


class Completion(NamedTuple):
    """A model's completion of a prompt."""

    request: Request
    text: str
    """Without the token or the text that ended it."""
    token_ids: tuple[int, ...]
    """What the model made, without the token that ended it; the tokens of a text that ended it are among them."""
    ended: bool
    """Whether the model ended it, and did not run out of tokens."""


@runtime_checkable
class Edits(Protocol):
    """Edits of the model, whose hooks the caller has set."""

    @property
    def address(self) -> str:
        """What tells these edits from any others."""

    def begin(self, seeds: Sequence[int], first: Sequence[int]) -> None:
        """Prepare for a batch, given a number for each row, which its prompt and its seed alone decide, and the first
        column of each row that holds a token of the text: rows are padded on the left.
        """


class Row(NamedTuple):
    """A request as the model gets it."""

    request: Request
    prompt: tuple[int, ...]
    """The prompt's token ids."""
    key: str
    """What the prompt's token ids and the request's seed hash to."""

    @property
    def seed(self) -> int:
        """What decides the row's draws, 60 bits. Two prompts of the same seed draw otherwise."""
        return int(self.key[:15], 16)


Finish = Callable[[Row, Sequence[int], bool], Completion]
"""Makes a completion of a row, of what the model made for it, and of whether the model ended it; keeps it at once."""


def request_seed(seed: int, sample: int) -> int:
    """Return what decides the draws of a sample: no two samples of any two seeds share it."""
    return int(hashlib.sha256(f"{seed}/{sample}".encode()).hexdigest()[:15], 16)
