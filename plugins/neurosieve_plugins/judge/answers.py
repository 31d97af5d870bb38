"""What a judge answered, and which labels it holds: those that are sound, and why the others are not."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import regex

from neurosieve_plugins.judge.prompt import Request
from neurosieve_plugins.judge.taxonomy import NONE, folded

__all__ = ["REFUSED_BY_SERVER", "Answer", "Reading", "read_answer"]

REFUSED_BY_SERVER = "refused_by_server"
"""Why an answer ended where the server would not take its request, as where it is too long for the model."""


class Answer(NamedTuple):
    """What a server answered to one request."""

    text: str
    finish: str = ""
    """Why the text ends, in the server's words: `stop`, `length`."""
    refusal: str = ""
    """The judge's own refusal, or the server's, where it would not take the request."""
    model: str = ""
    """The name of the model that answered, as the server has it."""
    tokens_in: int | None = None
    """Tokens of the request as the server counts them; None where it does not."""
    tokens_out: int | None = None


class Reading(NamedTuple):
    """What an answer says of each item that was asked for."""

    labels: dict[int, tuple[str, ...]]
    """The labels of each item that has a sound entry, by its number."""
    problems: dict[int, str]
    """Why each other item has none."""
    extra: int = 0
    """Entries for numbers that were not asked for."""


_FINISHED_PAIR = regex.compile(r'"\d+"\s*:\s*(?:"(?:[^"\\]|\\.)*"|\[[^\[\]]*\])(?=\s*[,}])')
"""A number with its label, or labels, and what shows that they are whole."""
_FENCE = regex.compile(r"```[\w-]*[ \t]*\n(.*?)```", regex.DOTALL)


def read_answer(answer: Answer, request: Request) -> Reading:
    """Return the labels that an answer holds for certain. Of what is doubtful nothing is taken.

    Judges that are given no schema answer as they like: a list of entries with `number` and `label` is read too.

    >>> request = Request("", "", 3, 0, ("doubt", "work"), several=False, none=False)
    >>> reading = read_answer(Answer('Here you are: {"labels": {"1": "doubt", "3": "joy"}}'), request)
    >>> reading.labels, reading.problems
    ({1: ('doubt',)}, {3: 'a label that is not one', 2: 'the answer skips it'})
    """
    numbers = range(1, request.size + 1)
    if answer.refusal:
        who = "server" if answer.finish == REFUSED_BY_SERVER else "judge"
        return Reading({}, dict.fromkeys(numbers, f"the {who} refused"))
    text = answer.text.rpartition("</think>")[2].strip()
    if text.startswith("<think>"):  # It never came to its answer.
        text = ""
    cut_off = answer.finish == "length"
    if not text:
        return Reading({}, dict.fromkeys(numbers, "the answer is cut off" if cut_off else "the answer is empty"))
    lists = list(_lists(text))
    if cut_off and not lists:
        lists = [list(_finished_entries(text))]
    if not lists:
        return Reading({}, dict.fromkeys(numbers, "the answer is not the JSON that was asked for"))
    if len(lists) > 1:
        return Reading({}, dict.fromkeys(numbers, "there are several answers in one"))
    return _checked(lists[0], request, "the answer is cut off" if cut_off else "the answer skips it")


def _checked(entries: Iterable[Any], request: Request, missing: str) -> Reading:
    """Return which entries are sound; `missing` is said of an item without one."""
    labels: dict[int, tuple[str, ...]] = {}
    problems: dict[int, str] = {}
    extra = 0
    spelled = {folded(label): label for label in (*request.labels, *([NONE] if request.none else []))}
    for entry in entries:
        number = _number(entry)
        if number is None or not 1 <= number <= request.size:
            extra += 1
        elif number in labels or number in problems:
            labels.pop(number, None)
            problems[number] = "it is labelled twice"
        else:
            chosen = _labels(entry, request, spelled)
            if isinstance(chosen, str):
                problems[number] = chosen
            else:
                labels[number] = chosen
    for number in range(1, request.size + 1):
        if number not in labels:
            problems.setdefault(number, missing)
    return Reading(labels, problems, extra)


def _number(entry: Any) -> int | None:
    """Return the number of an entry; None where it has none."""
    number = entry.get("number") if isinstance(entry, dict) else None
    if isinstance(number, str) and number.strip().isascii() and number.strip().isdigit():
        return int(number)
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _labels(entry: dict[str, Any], request: Request, spelled: Mapping[str, str]) -> tuple[str, ...] | str:
    """Return the labels of an entry, in the taxonomy's order, or why they are not sound; `spelled` is each label by the
    form in which its spellings are the same."""
    key = "labels" if request.several else "label"
    given = entry.get(key)
    names = given if request.several else [given]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return "its entry has no label"
    chosen = [spelled.get(folded(name)) for name in names]
    if None in chosen:
        return "a label that is not one"
    if (not chosen and not request.none) or (NONE in chosen and len(set(chosen)) > 1):
        return "its entry has no label" if not chosen else "`none` beside another label"
    return tuple(label for label in request.labels if label in chosen)


def _lists(text: str) -> Iterator[list[Any]]:
    """Yield the list of entries of each answer that a text holds: alone, in a block of code, or in prose."""
    blocks = [text, *(match[1] for match in _FENCE.finditer(text))]
    for block in blocks:
        if (entries := _entries(_json(block))) is not None:
            yield entries
            if block is text:
                return
    if len(blocks) == 1:
        yield from _lists_in_prose(text)


def _lists_in_prose(text: str) -> Iterator[list[Any]]:
    decoder, place = json.JSONDecoder(object_pairs_hook=_unique), text.find("{")
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place = text.find("{", place + 1)
            continue
        if (entries := _entries(value)) is not None:
            yield entries
        place = text.find("{", end)


def _entries(value: Any) -> list[Any] | None:
    """Return the list of entries of an answer; None where a value is none."""
    entries = value.get("labels") if isinstance(value, dict) else value
    if isinstance(entries, dict):
        entries = [{"number": number, "label": given, "labels": given} for number, given in entries.items()]
    return entries if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries) else None


def _finished_entries(text: str) -> Iterator[Any]:
    """Yield the entries of an answer that was cut off, as far as they are whole."""
    if opened := regex.search(r'\{\s*"labels"\s*:\s*\{', text):
        whole = _json(f"{{{','.join(_FINISHED_PAIR.findall(text, pos=opened.end()))}}}")
        yield from _entries({"labels": whole}) or ()
        return
    opening = regex.search(r'\{\s*"labels"\s*:\s*\[', text)
    decoder, place = json.JSONDecoder(object_pairs_hook=_unique), opening.end() if opening else len(text)
    while (match := regex.compile(r"[\s,]*(?=\{)").match(text, pos=place)) is not None:
        try:
            entry, place = decoder.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            return
        yield entry


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, unless a key stands in it twice: which of the two is meant is not known."""
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)
