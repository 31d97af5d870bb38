"""How a request is put to a server: with what it takes, as servers differ in what that is."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import regex

from neurosieve_plugins.judge.prompt import Request
from neurosieve_plugins.judge.settings import JudgeSettings

__all__ = ["arguments_for", "is_filtered", "is_too_long", "names_a_form", "option_to_leave_out", "options_in_use"]

_FORMATS = ("json_schema", "json_object", "no response_format")
"""The forms of `response_format`, the strictest first."""
_LIMITS = ("max_completion_tokens", "max_tokens")
_SYSTEM = "system message"
_NAMED = {
    "temperature": regex.compile("temperature"),
    **{limit: regex.compile(rf"\b{limit}\b") for limit in _LIMITS},
    _SYSTEM: regex.compile(r"system['\"`]? (?:role|message|prompt)"),
}
"""What a server says where it does not take an option."""
_TOO_LONG = regex.compile(r"context.{0,20}(?:length|window|size)|too long|too many tokens|maximum.{0,30}tokens|n_ctx")
"""What a server says where a request is longer than the model reads: that is no matter of how it is put."""

_OF_THE_ACCOUNT = regex.compile(
    r"quota|billing|credit|balance|your plan|rate limit|\bper[ -](?:minute|hour|day|month)|\btp[md]\b"
)
"""What a server says where a limit is that of the account, though it speaks of tokens."""
_FILTERS = regex.compile(
    r"content_?filter|content_?policy|responsibleaipolicy|moderation|data_?inspection|^invalid_prompt$"
)
"""Codes of servers that would not read a text for what it says."""


def options_in_use(settings: JudgeSettings, refused: Collection[str]) -> frozenset[str]:
    """Return how requests are put to a server that is known to refuse some options."""
    options = {next(form for form in _FORMATS if form not in refused)}
    options |= {"temperature", _SYSTEM} - set(refused)
    if settings.answer_tokens is not None:
        limits = _LIMITS if settings.at_openai else _LIMITS[::-1]
        options |= set([limit for limit in limits if limit not in refused][:1])
    return frozenset(options)


def arguments_for(request: Request, settings: JudgeSettings, options: Collection[str]) -> dict[str, Any]:
    """Return the arguments of a chat completion."""
    arguments: dict[str, Any] = {"model": settings.model, "messages": request.messages}
    if _SYSTEM not in options:
        arguments["messages"] = [{"role": "user", "content": f"{request.system}\n\n{request.user}"}]
    if "json_schema" in options:
        schema = {"name": "labels", "strict": True, "schema": request.schema}
        arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif "json_object" in options:
        arguments["response_format"] = {"type": "json_object", "schema": request.schema}
    if "temperature" in options:
        arguments["temperature"] = 0.0
    for limit in _LIMITS:
        if limit in options:
            arguments[limit] = settings.answer_tokens
    return arguments


def is_too_long(said: str) -> bool:
    """Return whether a server says that a request is longer than the model reads.

    >>> is_too_long("maximum context length is 512 tokens"), is_too_long("monthly maximum of your plan: 9 tokens")
    (True, False)
    """
    return _TOO_LONG.search(said.lower()) is not None and _OF_THE_ACCOUNT.search(said.lower()) is None


def is_filtered(body: object) -> bool:
    """Return whether the codes in an error's body say that a filter refused the text.

    >>> is_filtered({"code": "content_filter", "message": "no"}), is_filtered({"code": "billing_hard_limit_reached"})
    (True, False)
    """
    return any(_FILTERS.search(code.lower()) for code in _codes(body))


def _codes(body: object) -> Iterator[str]:
    if isinstance(body, Mapping):
        for key, value in body.items():
            if key in ("code", "type") and isinstance(value, str):
                yield value
            else:
                yield from _codes(value)


def names_a_form(said: str) -> bool:
    """Return whether a server says that it is the form of the answer that it does not take."""
    return regex.search(r"response_format|json_schema|json_object", said) is not None


def option_to_leave_out(said: str, options: Collection[str], accepted: Collection[str]) -> str | None:
    """Return the option that a server may have refused a request for, by what it says; None where it is none.

    What it has accepted before is not it.

    >>> option_to_leave_out("Unsupported value: 'temperature'", ["json_schema", "temperature"], [])
    'temperature'
    >>> option_to_leave_out("bad request", ["json_schema", "temperature"], ["temperature"])
    'json_schema'
    >>> option_to_leave_out("This is longer than the context length", ["json_schema"], [])
    """
    if is_too_long(said):
        return None
    doubtful = [option for option in options if option not in accepted]
    named = [option for option in doubtful if option in _NAMED and _NAMED[option].search(said.lower())]
    forms = [form for form in _FORMATS[:-1] if form in doubtful]
    return next(iter([*named, *forms]), None)
