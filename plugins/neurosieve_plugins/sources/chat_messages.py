"""What a turn of a conversation says, however a record spells it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from neurosieve import Assumption
from neurosieve_plugins.records import RecordError, kind_of
from neurosieve_plugins.sources.authors import AUTHORS, Author

__all__ = ["Message", "Piece", "Spelling", "message_of", "spelling_of", "with_thoughts"]

_AUTHOR_KEYS = ("role", "from", "speaker", "author")
_CONTENT_KEYS = ("content", "value", "text", "message")
_THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking", "thought", "thoughts")
_TEXT_PARTS = ("text", "input_text", "output_text")
_THOUGHT_PARTS = ("thinking", "reasoning", "thought")


class Piece(NamedTuple):
    """A text within a turn."""

    kind: Literal["thought", "text"]
    """A thought stands in a field of its own; a `text` may hold one between marks."""
    text: str


class Message(NamedTuple):
    """A turn of a conversation."""

    author: Author
    pieces: tuple[Piece, ...]
    calls: tuple[Mapping[str, Any], ...] = ()
    """The tools that the model calls, as the record has them."""
    assumptions: tuple[Assumption, ...] = ()
    given: bool = False
    """Whether it stands in the prompt of a completion: what a model says there is an example, which it was given."""


class Spelling(NamedTuple):
    """The keys with which turns say who speaks, and what."""

    author: str
    content: str


def spelling_of(turn: Any) -> Spelling | None:
    """Return how a turn is spelled; None where it is not like a turn.

    >>> spelling_of({"from": "human", "value": "1 + 1?"})
    Spelling(author='from', content='value')
    """
    if not isinstance(turn, Mapping):
        return None
    if turn.get("type") == "reasoning":
        return Spelling("role", "content")
    author = next((key for key in _AUTHOR_KEYS if isinstance(turn.get(key), str)), None)
    content = next((key for key in _CONTENT_KEYS if key in turn), None)
    if author is None:
        return None
    return Spelling(author, content or "content")


def message_of(turn: Any, where: str, spelling: Spelling, roles: Mapping[str, str]) -> Message:
    """Return what a turn says.

    Args:
        where: the record, for messages.
        roles: who stands behind a name, besides those that are known.

    Raises:
        RecordError: it is not spelled like the turns of the first record, or its author is not known.
    """
    if isinstance(turn, Mapping) and turn.get("type") == "reasoning" and spelling.author not in turn:
        # What OpenAI's Responses list before the message that is thought out.
        return Message("assistant", (Piece("thought", _joined(turn, where)),))
    if not isinstance(turn, Mapping) or spelling.author not in turn:
        has = ", ".join(f"`{key}`" for key in turn) if isinstance(turn, Mapping) else kind_of(turn)
        raise RecordError(
            where,
            f"has a turn without `{spelling.author}`, which the turns of the first record have; it has "
            f"{has or 'nothing'}",
            "correct the record, or read records of another kind from a file of their own",
        )
    author = _author(turn[spelling.author], where, roles)
    content = turn.get(spelling.content)
    other = next((key for key in _CONTENT_KEYS if key in turn and key != spelling.author), None)
    if spelling.content not in turn and other is not None:
        raise RecordError(
            where,
            f"has a turn with `{other}`, where the turns of the first record have `{spelling.content}`",
            "correct the record, or read records of another kind from a file of their own",
        )
    pieces, left_out = _pieces(content, where, spelling.content)
    thought = next((turn[key] for key in _THOUGHT_KEYS if turn.get(key)), None) if author == "assistant" else None
    if thought is not None:
        pieces = [Piece("thought", _joined(thought, where)), *pieces]
    calls = turn.get("tool_calls") or ([turn["function_call"]] if turn.get("function_call") else [])
    if not isinstance(calls, list | tuple) or not all(isinstance(call, Mapping) for call in calls):
        raise RecordError(where, f"holds {kind_of(calls)} in `tool_calls`, not a list of calls", "correct the record")
    said = tuple(piece for piece in pieces if piece.text.strip())
    return Message(author, said, tuple(calls), tuple(left_out))


def with_thoughts(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the turns, those that are a thought alone put before what the model says next."""
    joined: list[Message] = []
    for message in messages:
        previous = joined[-1] if joined else None
        thinks = previous is not None and not previous.calls and all(p.kind == "thought" for p in previous.pieces)
        if previous is not None and thinks and previous.pieces and previous.author == message.author == "assistant":
            joined[-1] = message._replace(pieces=previous.pieces + message.pieces)
        else:
            joined.append(message)
    return tuple(joined)


def _author(name: Any, where: str, roles: Mapping[str, str]) -> Author:
    if isinstance(name, str):
        author = AUTHORS.get(roles.get(name, name).strip().lower())
        if author is not None:
            return author
    shown = f"`{name}`" if isinstance(name, str) else kind_of(name)
    raise RecordError(
        where,
        f"has a turn by {shown}, and who that is is not known",
        f"say so, as in `source.roles={{{name if isinstance(name, str) else 'narrator'}: user}}`: "
        "one of system, user, assistant and tool",
    )


def _pieces(content: Any, where: str, key: str) -> tuple[list[Piece], list[Assumption]]:
    """Return the texts of a turn's content, and what was assumed of its other parts."""
    if content is None:
        return [], []
    if isinstance(content, str):
        return [Piece("text", _sound(content, where))], []
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list | tuple):
        raise RecordError(where, f"holds {kind_of(content)} in `{key}` of a turn, not a text", "correct the record")
    pieces: list[Piece] = []
    left_out: list[Assumption] = []
    for part in content:
        kind = "text" if isinstance(part, str) else part.get("type", "text") if isinstance(part, Mapping) else None
        text = part if isinstance(part, str) else part.get("text") if isinstance(part, Mapping) else None
        if kind in _TEXT_PARTS and isinstance(text, str):
            previous = pieces.pop().text if pieces and pieces[-1].kind == "text" else ""
            pieces.append(Piece("text", previous + _sound(text, where)))
        elif kind in _THOUGHT_PARTS and isinstance(part, Mapping):
            pieces.append(Piece("thought", _joined(part.get(str(kind)) or text or "", where)))
        elif kind == "tool_result" and isinstance(part, Mapping):
            pieces.append(Piece("text", _joined(part.get("content") or "", where)))
        else:
            what = f"has a part that is not a text (`{kind or kind_of(part)}`), which was left out"
            left_out.append(Assumption(what))
    return pieces, left_out


def _joined(thought: Any, where: str) -> str:
    """Return the text of a thought or of a tool's result, which may come in parts."""
    if isinstance(thought, str):
        return _sound(thought, where)
    if isinstance(thought, Mapping):
        inner = next((thought[key] for key in ("text", "content", "thinking", "summary") if thought.get(key)), None)
        if inner is not None:
            return _joined(inner, where)
    if isinstance(thought, list | tuple):
        return "".join(_joined(part, where) for part in thought)
    raise RecordError(
        where, f"holds {kind_of(thought)} as a thought, not a text: {json.dumps(thought)[:60]}", "correct it"
    )


def _sound(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        why = "holds half a character (a lone surrogate) in a turn, which no tokenizer can read"
        raise RecordError(where, why, "correct the record") from error
    return text
