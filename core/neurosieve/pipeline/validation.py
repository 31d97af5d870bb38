"""Which fresh traces a ranking is tested on."""

from dataclasses import dataclass
from typing import Any

from neurosieve.contracts import Problems
from neurosieve.generation.problem_choice import choose_problems
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.tracing import Generate

__all__ = ["Validation"]


@dataclass(frozen=True)
class Validation:
    """Which fresh traces a ranking is tested on."""

    problems: Problems
    prompt: Prompt
    sampling: Sampling
    settings: Generate

    def check_ahead(self, tokenizer: Any) -> None:
        """Raise where there are no such problems, or they cannot be put to the model, before anything is read.

        Raises:
            NeurosieveError: the message says why.
        """
        chosen = self.settings
        for problem in choose_problems(self.problems, chosen.n, chosen.levels, chosen.types, chosen.seed):
            self.prompt.text(problem.text, tokenizer)
