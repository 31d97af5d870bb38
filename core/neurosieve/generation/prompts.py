"""From a problem to what a model is given to complete."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import MinLen

from neurosieve.errors import ConfigError
from neurosieve.fields import check_fields

__all__ = ["NOTEBOOK", "PLACEHOLDER", "Prompt"]

PLACEHOLDER = "{problem}"
NOTEBOOK = (
    "Solve this math problem step by step. Put your final answer in \\boxed{}. Problem: {problem} Solution: \n<think>\n"
)
"""The template of the founding notebook."""

_OWN_ARGUMENTS = frozenset({"conversation", "tokenize", "add_generation_prompt", "chat_template", "return_tensors"})
"""What stands in a call of `apply_chat_template` already, or would change what it returns."""


@dataclass(frozen=True)
class Prompt:
    """What a model is given to complete: a template with the problem, perhaps behind worked examples, or in a chat.

    >>> Prompt("Q: {problem}\\nA:", examples=({"problem": "1 + 1?", "completion": " 2"},)).text("2 + 2?")
    'Q: 1 + 1?\\nA: 2\\n\\nQ: 2 + 2?\\nA:'
    """

    template: str = NOTEBOOK
    """The text with `{problem}` where the problem goes; in a chat, what the user says."""
    examples: tuple[Mapping[str, str], ...] = ()
    """Worked examples that stand before it, each with a `problem` and its `completion`."""
    chat: bool = False
    """Whether the tokenizer's chat template is put around it."""
    system: str | None = None
    """What the chat's system message says."""
    template_variables: Mapping[str, Any] = field(default_factory=dict)
    """What the tokenizer's chat template is given besides the messages, as in `{enable_thinking: false}`."""
    stop: tuple[Annotated[str, MinLen(1)], ...] = ()
    """Texts that end a completion, such as how a next problem would begin; they are not part of it."""

    def __post_init__(self) -> None:
        for number, example in enumerate(self.examples, start=1):
            keys = set(example) if isinstance(example, Mapping) else set()
            if keys != {"problem", "completion"} or not all(isinstance(text, str) for text in example.values()):
                raise ConfigError(
                    f"example {number} of the prompt is {example!r:.200}: write its `problem` and its `completion`"
                )
        check_fields(self, "prompt.")
        if PLACEHOLDER not in self.template:
            raise ConfigError(
                f"the template {self.template!r:.200} has no `{PLACEHOLDER}`: write it where the problem is to go"
            )
        if self.system is not None and not self.chat:
            raise ConfigError("the prompt has a `system` message and is not a chat: set `chat=true`, or `system=null`")
        if self.template_variables and not self.chat:
            raise ConfigError(
                "the prompt has `template_variables` and is not a chat: set `chat=true`, or `template_variables={}`"
            )
        if taken := sorted(_OWN_ARGUMENTS & self.template_variables.keys()):
            raise ConfigError(
                f"`prompt.template_variables` holds `{taken[0]}`, which is no variable of a chat template: leave it out"
            )

    def text(self, problem: str, tokenizer: Any = None) -> str:
        """Return what a model is given to complete for a problem.

        The problem's text is put in unchanged. A chat needs the model's tokenizer.

        Raises:
            ConfigError: it is a chat and the tokenizer has no chat template, or one that refuses these messages.
        """
        if self.chat:
            return self._chat(problem, tokenizer)
        worked = [self._question(example["problem"]) + example["completion"] + "\n\n" for example in self.examples]
        return "".join(worked) + self._question(problem)

    def _question(self, problem: str) -> str:
        return self.template.replace(PLACEHOLDER, problem)

    def _chat(self, problem: str, tokenizer: Any) -> str:
        from jinja2 import TemplateError

        if getattr(tokenizer, "chat_template", None) is None:
            raise ConfigError(
                "the prompt is a chat, and the model's tokenizer has no chat template: take a model that was trained "
                "to chat, or another prompt, such as `prompt=notebook`"
            )
        template = str(tokenizer.chat_template)
        if unread := [name for name in self.template_variables if not re.search(rf"\b{re.escape(name)}\b", template)]:
            raise ConfigError(
                f"the chat template of the model's tokenizer reads no `{unread[0]}`, so it changes nothing: correct "
                "the name in `prompt.template_variables`, or leave it out"
            )
        turns = [] if self.system is None else [("system", self.system)]
        for example in self.examples:
            turns += [("user", self._question(example["problem"])), ("assistant", example["completion"])]
        turns.append(("user", self._question(problem)))
        messages = [{"role": role, "content": content} for role, content in turns]
        try:
            text = tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **self.template_variables
            )
        except TemplateError as error:
            raise ConfigError(
                f"the chat template of the model's tokenizer refuses the messages ({error}): "
                "some take no `system` message, or no `examples`"
            ) from error
        return str(text)
