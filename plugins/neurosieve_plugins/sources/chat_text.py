"""How a conversation becomes one text, with its passages."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from neurosieve import Assumption, Passage, Role
from neurosieve_plugins.sources.chat_messages import Message
from neurosieve_plugins.sources.thought_marks import (
    FAMILIES,
    MarkerFamily,
    ThoughtMarks,
    model_passages,
    with_answers,
)
from neurosieve_plugins.sources.turn_marks import turns_of

__all__ = ["LABELS", "ChatText", "answer_passages", "joined_text", "marks_of", "passages_of"]

LABELS = {"system": "System: ", "user": "User: ", "assistant": "Assistant: ", "tool": "Tool: "}
"""What stands before a turn in a plain text."""


class ChatText(NamedTuple):
    """The text of a conversation."""

    text: str
    passages: tuple[Passage, ...]
    assumptions: tuple[Assumption, ...]


def joined_text(messages: Sequence[Message], markers: MarkerFamily | None = None, labels: bool = True) -> ChatText:
    """Return the turns of a conversation as one text.

    Args:
        labels: whether who speaks stands before each turn, and a blank line between two; or else nothing.

    >>> from neurosieve_plugins.sources.chat_messages import Piece
    >>> question = Message("user", (Piece("text", "1 + 1?"),))
    >>> answer = Message("assistant", (Piece("thought", "Easy."), Piece("text", "Two.")))
    >>> print(joined_text([question, answer]).text)
    User: 1 + 1?
    <BLANKLINE>
    Assistant: <think>
    Easy.
    </think>
    <BLANKLINE>
    Two.
    """
    text = ""
    passages: list[Passage] = []
    assumptions: list[Assumption] = []
    for message in messages:
        if labels:
            text += ("\n\n" if text else "") + LABELS[message.author]
        marks = FAMILIES.get(markers or "think", FAMILIES["think"])
        for number, piece in enumerate(message.pieces):
            start = len(text)
            if piece.kind == "thought":
                opening = ("\n\n" if number else "") + marks.start + "\n"
                text += f"{opening}{piece.text}\n{marks.end}"
                passages.append(Passage(start + len(opening), len(text), "user" if message.given else "thought"))
                continue
            if number:
                text += "\n\n"
            text += piece.text
            if message.author != "assistant":
                passages.append(Passage(start, len(text), message.author))
            elif message.given:
                passages.append(Passage(start, len(text), "user"))
            elif number:  # Its thought stands in a field of its own, and the answer touches it.
                passages += answer_passages(text, start, len(text), markers)
            else:
                own, guessed = passages_of(text, start, len(text), markers)
                passages += own
                assumptions += guessed
        if message.calls:
            text += "".join(f"\n{json.dumps(call, ensure_ascii=False, default=str)}" for call in message.calls)
            what = "calls tools: the calls are written as JSON, and are no words of the model"
            assumptions.append(Assumption(what, known=True))
    return ChatText(text, with_answers(passages), tuple(dict.fromkeys(assumptions)))


def passages_of(
    text: str, start: int, end: int, markers: MarkerFamily | None
) -> tuple[list[Passage], list[Assumption]]:
    """Return the passages of a turn of the model, `text[start:end]`, and what was assumed of them."""
    if markers in (None, "harmony") and (turns := turns_of(text[start:end], "harmony")):
        roles: dict[str, Role] = {"analysis": "thought", "final": "answer"}
        return [
            Passage(start + turn.start, start + turn.end, roles.get(turn.channel, "completion"))
            for turn in turns
            if turn.author == "assistant" and turn.start < turn.end
        ], []
    marks = marks_of(text[start:end], markers)
    return model_passages(text, start, end, marks, inside=text[:start].rstrip().endswith(marks.start))


def answer_passages(text: str, start: int, end: int, markers: MarkerFamily | None) -> list[Passage]:
    """Return the passages of `text[start:end]`, what follows a thought that stands in a field of its own.

    It is the answer, unless another thought begins it. An answer may speak of marks.
    """
    if not text[start:end].lstrip().startswith(marks_of(text[start:end], markers).start):
        return [Passage(start, end, "answer")]
    own, _ = passages_of(text, start, end, markers)
    return [passage._replace(role="answer") if passage.role == "completion" else passage for passage in own]


def marks_of(turn: str, markers: MarkerFamily | None) -> ThoughtMarks:
    """Return the marks of thoughts in a turn of the model: those that begin it, or else think tags."""
    if markers is not None and markers in FAMILIES:
        return FAMILIES[markers]
    beginning = turn.lstrip()
    return next((marks for marks in FAMILIES.values() if beginning.startswith(marks.start)), FAMILIES["think"])
