"""One trace in full in a terminal: its text with its spans highlighted, and the verdict on its answer."""

from collections.abc import Mapping, Sequence
from itertools import chain

from rich.console import Group
from rich.text import Text

from neurosieve.data import Document, Span, Verdict
from neurosieve.wording import plural, visible

__all__ = ["highlighted", "trace_shown"]

_STYLES = ("black on yellow", "black on cyan", "black on magenta", "black on green", "black on blue", "white on red")


def highlighted(document: Document, spans: Mapping[str, Sequence[Span]]) -> Text:
    """Return a document's text with the spans of each behaviour highlighted, and what the model did not write dimmed.

    The text is data: markup in it is text, and what would move the cursor is shown and not obeyed.
    """
    shown = Text("\n".join(map(visible, document.text.split("\n"))))
    written = [0, *chain(*document.stretches()), len(document.text)]
    for start, end in zip(written[::2], written[1::2], strict=True):  # What lies between those stretches.
        shown.stylize("dim", start, end)
    for place, of_behaviour in enumerate(spans.values()):
        for span in of_behaviour:
            shown.stylize(_STYLES[place % len(_STYLES)], span.start, span.end)
    return shown


def trace_shown(document: Document, spans: Mapping[str, Sequence[Span]], verdict: Verdict | None) -> Group:
    """Return a trace in full: its text with its spans highlighted, each of them by name, and the verdict."""
    parts = [Text(f"trace {visible(document.id)}", style="bold")]
    parts += [Text(f"  {start:,}–{end:,} {role}") for start, end, role in document.passages]
    parts += [highlighted(document, spans), Text()]
    for place, (behaviour, of_behaviour) in enumerate(spans.items()):
        name = Text(visible(behaviour), style=_STYLES[place % len(_STYLES)])
        parts.append(name + f": {plural(len(of_behaviour), 'span')}")
        for span in of_behaviour:
            text = document.text[span.start : span.end]
            parts.append(Text(visible(f"  {span.start:,}–{span.end:,} {text} ({span.label})"), style="none"))
    if verdict is not None:
        judgement = {True: "right", False: "wrong", None: "no verdict"}[verdict.right]
        reason = f" ({verdict.reason})" if verdict.reason else ""
        judged = "none was found" if verdict.unanswered else f"{verdict.answer or 'not told'}: {judgement}{reason}"
        parts.append(Text(visible(f"answer: {judged}"), style="bold"))
    return Group(*parts)
