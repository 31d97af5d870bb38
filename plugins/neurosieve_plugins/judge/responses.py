"""The body of a server's response, and whether the model that answered is the one that was asked."""

import json
from typing import Any

import regex

from neurosieve_plugins.judge.answers import Answer

__all__ = ["UnreadableResponseError", "answer_of", "same_model"]

_FLOATING = regex.compile(r"[-@:](?:latest|main)$")
"""How the newest version of a model is written behind its name."""
_VERSION = regex.compile(r"[-@:](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{4}|0\d{2})$")
"""How one version of a model is: by its date, or as in `-002`. A single number may be another model."""


class UnreadableResponseError(Exception):
    """A body is cut off, or is not a chat completion."""


def answer_of(body: str) -> Answer:
    """Return the answer that a response holds.

    Raises:
        UnreadableResponseError: it holds none, not even an empty one.
    """
    try:
        content = json.loads(body)
    except ValueError as error:
        raise UnreadableResponseError("the response is cut off, or is not JSON") from error
    if not isinstance(content, dict):
        raise UnreadableResponseError("the response is not a chat completion")
    choices = content.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise UnreadableResponseError(f"the response holds no answer{_error_in(content)}")
    message = choices[0].get("message")
    message = message if isinstance(message, dict) else {}
    usage = content.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    finish, refusal = _text(choices[0].get("finish_reason")), _text(message.get("refusal"))
    if finish == "content_filter":
        refusal = refusal or "the server's filter stopped the answer"
    return Answer(
        _content(message.get("content")),
        finish,
        refusal,
        _text(content.get("model")),
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
    )


def same_model(asked: str, answered: str) -> bool:
    """Return whether the name that a server answers with is that of the model that was asked, or of a version of it.

    >>> same_model("gpt-x", "gpt-x-2026-02-03"), same_model("maker/Small-1B", "small-1b@main")
    (True, True)
    >>> same_model("gpt-x", "gpt-x-mini"), same_model("gpt-x-2026-02-03", "gpt-x-2025-01-01")
    (False, False)
    """
    wanted, given = _plain(asked), _plain(answered)
    return wanted in (given, _VERSION.sub("", given))


def _plain(name: str) -> str:
    """Return a model's name without its folder or its maker, in lower case."""
    plain = name.replace("\\", "/").rstrip("/").rpartition("/")[2].casefold().removesuffix(".gguf")
    return str(_FLOATING.sub("", plain))


def _error_in(content: dict[str, Any]) -> str:
    error = content.get("error")
    message = error.get("message") if isinstance(error, dict) else error
    return f": {' '.join(str(message).split())[:300]}" if message else ""


def _content(value: Any) -> str:
    """Return the text of a message, which some servers give in parts."""
    if not isinstance(value, list):
        return _text(value)
    return "".join(_text(part.get("text")) for part in value if isinstance(part, dict) and part.get("type") == "text")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
