"""What was understood of some records, to look at before anything costs time: whose words, what was guessed, spans."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from neurosieve.data import Document, Passage, Role, Skipped, Span
from neurosieve.detection.whole_text_labels import Label
from neurosieve.texts.spans import DetectedDocument
from neurosieve.wording import plural, visible

__all__ = ["show_understood"]

_COLOURS: Mapping[Role, str] = {
    "system": "magenta",
    "user": "blue",
    "tool": "yellow",
    "thought": "cyan",
    "answer": "green",
    "completion": "green",
}
_LONGEST = 600
"""Of a longer part of a text the middle is left out, in characters."""
_LONGEST_VALUE = 40
"""Of the value of a field so many characters are shown."""
_PARTS = 12
"""Of more parts those in the middle are left out."""
_LONGEST_REASON = 80
"""Of what says how a text is labelled so many characters are shown."""
_NO_LABELS: Mapping[str, Label] = MappingProxyType({})
_SPANS = 10
"""At most so many spans of a behaviour are listed."""


class _Part(NamedTuple):
    start: int
    end: int
    role: Role | None
    """None where the text is nobody's."""


def show_understood(
    items: Sequence[DetectedDocument | Skipped], out: Console, labels: Sequence[Mapping[str, Label]] = ()
) -> None:
    """Print documents and skipped records, in the order of their source.

    `labels` says of each item how behaviours of whole texts label it. The text is data: what would move the cursor is
    shown and not obeyed.
    """
    for item, labels_of in zip(items, labels or [_NO_LABELS] * len(items), strict=True):
        if isinstance(item, Skipped):
            out.print(Text.assemble(("skipped ", "bold yellow"), visible(f"{item.where}: {item.why}")), soft_wrap=True)
        else:
            for line in _lines(item.document, item.spans, labels_of):
                out.print(line, soft_wrap=True)
        out.print()


def _lines(document: Document, spans: Mapping[str, Sequence[Span]], labels: Mapping[str, Label]) -> Iterator[Text]:
    yield Text.assemble(("document ", "bold"), visible(document.id))
    yield Text(visible(f"  group: {document.group}"))
    written = document.stretches()
    length = plural(len(document.text), "character")
    if written:
        yield Text(f"  what the model wrote starts at {written[0][0]:,} of {length}")
    else:
        yield Text(f"  nothing of its {length} was written by the model")
    if document.metadata:
        told = ", ".join(f"{name}: {value!s:.{_LONGEST_VALUE}}" for name, value in document.metadata.items())
        yield Text(visible(f"  metadata: {textwrap.shorten(told, _LONGEST, placeholder=' …')}"))
    for what, doubtful, known in document.assumptions:
        begin = ("  note: ", "") if known else ("  assumed: ", "yellow")
        yield Text.assemble(begin, visible(what), (" (doubtful)" * doubtful, "bold yellow"))
    for behaviour, judged in labels.items():
        verdict = "not known" if judged.shows is None else "shows" if judged.shows else "does not show"
        why = f" ({judged.why:.{_LONGEST_REASON}})" if judged.why else ""
        yield Text(visible(f"  {behaviour}: {verdict}{why}"))
    for behaviour, found in spans.items():
        if behaviour in labels:
            continue
        yield Text(visible(f"  {behaviour}: {plural(len(found), 'span')}"))
        for start, end, label in found[:_SPANS]:
            yield Text(visible(f"    {start:,} to {end:,}: {document.text[start:end]:.80} ({label:.80})"))
        if len(found) > _SPANS:
            yield Text(f"    … and {len(found) - _SPANS:,} more")
    parts = list(_parts(document))
    shown = parts if len(parts) <= _PARTS else [*parts[: _PARTS // 2], None, *parts[-_PARTS // 2 :]]
    for part in shown:
        if part is None:
            yield Text(f"  … {plural(len(parts) - _PARTS, 'further part')} …", style="dim")
        else:
            yield _part(document, part, [span for found in spans.values() for span in found])


def _parts(document: Document) -> Iterator[_Part]:
    """Yield the whole text in parts: the passages, and what lies between them."""
    start, length = document.completion_start, len(document.text)
    whole = (Passage(0, start, "user"), Passage(start, length, "completion"))
    at = 0
    for passage in document.passages or [passage for passage in whole if passage.start < passage.end]:
        if passage.start > at:
            yield _Part(at, passage.start, None)
        yield _Part(*passage)
        at = passage.end
    if at < length:
        yield _Part(at, length, None)


def _part(document: Document, part: _Part, spans: Sequence[Span]) -> Text:
    start, end, role = part
    # A document without passages says what is the prompt, and not who wrote it.
    name = "nobody" if role is None else "prompt" if role == "user" and not document.passages else role
    colour = "dim" if role is None else _COLOURS[role]
    text = Text("\n".join(map(visible, document.text[start:end].split("\n"))), style=colour)
    for span in spans:
        if start <= span.start < end:
            text.stylize("reverse", span.start - start, span.end - start)
    if len(text) > _LONGEST:
        half, left_out = _LONGEST // 2, plural(len(text) - _LONGEST, "character")
        text = text[:half] + Text(f" … {left_out} … ", style="dim") + text[-half:]
    return Text.assemble((f"  [{name} {start:,} to {end:,}] ", f"bold {colour}"), text)
