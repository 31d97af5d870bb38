"""The marks with which chat templates part a text into turns."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from neurosieve_plugins.sources.authors import AUTHORS, Author

__all__ = ["TEMPLATES", "TemplateName", "Turn", "template_in", "turns_of"]


class Turn(NamedTuple):
    """A turn in a text, without the marks around it: `text[start:end]`."""

    start: int
    end: int
    author: Author
    channel: str = ""
    """Which of the model's channels it is on, where a template has some."""


TemplateName = Literal["chatml", "llama3", "llama4", "gemma", "harmony", "bars", "deepseek", "granite", "mistral"]

_BARS = "system|developer|user|assistant|tool|observation"
TEMPLATES: Mapping[str, tuple[re.Pattern[str], re.Pattern[str]]] = {
    name: (re.compile(opening), re.compile(closing))
    for name, opening, closing in (
        ("chatml", r"<\|im_start\|>(?P<role>\w+)(?:\r?\n|$)", r"<\|im_end\|>|<\|endoftext\|>"),
        (
            "llama3",
            r"<\|start_header_id\|>(?P<role>\w+)<\|end_header_id\|>(?:\n\n)?",
            r"<\|eot_id\|>|<\|eom_id\|>|<\|end_of_text\|>",
        ),
        ("llama4", r"<\|header_start\|>(?P<role>\w+)<\|header_end\|>(?:\n\n)?", r"<\|eot\|>|<\|eom\|>"),
        ("gemma", r"<start_of_turn>(?P<role>user|model|system)(?:\n|$)", r"<end_of_turn>|<eos>"),
        (
            "harmony",
            r"(?:<\|start\|>(?P<role>[^<]*))?(?:<\|channel\|>(?P<channel>[^<]*))?"
            r"(?:<\|constrain\|>[^<]*)?<\|message\|>",
            r"<\|end\|>|<\|return\|>|<\|call\|>",
        ),
        # Phi, Zephyr, GLM, OLMo and others.
        ("bars", rf"<\|(?P<role>{_BARS})\|>(?:\n)?", r"<\|end\|>|</s>|<\|endoftext\|>"),
        ("deepseek", r"<｜(?P<role>User|Assistant)｜>", r"<｜end▁of▁sentence｜>"),
        ("granite", r"<\|start_of_role\|>(?P<role>\w+)<\|end_of_role\|>", r"<\|end_of_text\|>"),
        (
            "mistral",
            r"(?P<system>\[SYSTEM_PROMPT\])|(?P<user>\[INST\])|(?P<assistant>\[/INST\])|(?P<tool>\[TOOL_RESULTS\])",
            r"\[/SYSTEM_PROMPT\]|\[/TOOL_RESULTS\]|</s>",
        ),
    )
}
"""What opens a turn, with its author, and what closes it, by the template's name."""


_HINTS: Mapping[str, str] = {
    "chatml": "<|im_start|>",
    "llama3": "<|start_header_id|>",
    "llama4": "<|header_start|>",
    "gemma": "<start_of_turn>",
    "harmony": "<|message|>",
    "bars": "<|assistant|>",
    "deepseek": "<｜Assistant｜>",
    "granite": "<|start_of_role|>",
    "mistral": "[/INST]",
}
"""What a text with a turn of the model holds: most texts hold none of it, which is quick to see."""


def turns_of(text: str, template: str) -> list[Turn]:
    """Return the turns of a text by the marks of a template; an author that is not known is taken for a tool.

    >>> text = "<|im_start|>user\\n1 + 1?<|im_end|>\\n<|im_start|>assistant\\nTwo.<|im_end|>"
    >>> [(text[turn.start : turn.end], turn.author) for turn in turns_of(text, "chatml")]
    [('1 + 1?', 'user'), ('Two.', 'assistant')]
    """
    return list(_turns(text, *TEMPLATES[template]))


def template_in(text: str) -> str | None:
    """Return the template whose marks part a text, as one who is not the model is answered by it; None for none."""
    for name, hint in _HINTS.items():
        turns = turns_of(text, name) if hint in text else []
        authors = [turn.author for turn in turns]
        channels = bool(turns) and bool(turns[0].channel)  # Such a text may start with the model's own first turn.
        if "assistant" in authors and (channels or authors.index("assistant") > 0):
            return name
    return None


def _turns(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> Iterator[Turn]:
    marks = list(opening.finditer(text))
    limits = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, limit in zip(marks, limits, strict=False):
        close = closing.search(text, mark.end(), limit)
        found = mark.groupdict()
        channel = (found.get("channel") or "").strip()
        yield Turn(mark.end(), close.start() if close else limit, _author(found), channel)


def _author(found: Mapping[str, str | None]) -> Author:
    if "role" not in found:  # Each author has a mark of its own.
        return next(AUTHORS[name] for name, mark in found.items() if mark)
    if found["role"] is None:
        return "assistant"  # What a model writes first, its prompt being elsewhere.
    return AUTHORS.get(found["role"].split(" ")[0].strip().lower(), "tool")
