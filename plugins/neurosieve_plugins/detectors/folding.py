"""A text as it is read, however it is spaced, quoted, emphasised and encoded, and where each part of it stands."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import regex

from neurosieve_plugins.detectors.character_folds import FOLDED_UNITS, fold_unit

__all__ = ["FoldedText", "fold_text", "mark_commands", "within_word"]

_BLANK = r" \t-\r\x1c-\x1f"
_OTHER_BLANKS = "\n\t\r\v\f\x1c\x1d\x1e\x1f"
_MARKS = "*_`~"
_TAG = r"</?(?:b|big|code|del|em|font|i|ins|kbd|mark|s|samp|small|span|strong|tt|u)(?:\s[^<>]*)?>"
_COMMAND = r"\\(?:text(?:bf|it|rm|sf|tt|sc|sl|up|normal)?|emph|underline|mbox|math(?:rm|bf|it)|boldsymbol)\{"
_HTML = re.compile(_TAG)
_LATEX = ("\\text", "\\emph", "\\underline", "\\mbox", "\\math", "\\boldsymbol")
_TAGS_AND_BRACES = re.compile(rf"{_TAG}|{_COMMAND}|\\[{{}}]|[{{}}]")
# A single blank is the common case: nothing is to be done there.
_RUN = re.compile(rf"[{_BLANK}{_MARKS}]{{2,}}|[*_`]")
_PIECE = re.compile(rf"[{_BLANK}]+|(?:\*+|_+|~~|`+)+|~")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")

# Writing without blanks between words; the complex context of Unicode's line breaking is Thai, Lao, Khmer, Burmese, ...
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{scx=Katakana}\p{Bopomofo}\p{LB=SA}]")

_Edit = tuple[int, int, str]
"""Where a stretch starts and ends, and what is put in its place."""


@dataclass(frozen=True)
class _Rewritten:
    """A text after some of its stretches were replaced, and where its parts stood before."""

    text: str
    starts: tuple[int, ...] = (0,)
    """Where each part begins: by turns what was kept, and what was put in."""
    origins: tuple[int, ...] = (0,)
    """Where each part began before."""

    def start(self, at: int) -> int | None:
        """Return where what begins at `at` began before; None within what was put in."""
        part = bisect_right(self.starts, at) - 1
        inside = at - self.starts[part]
        if part % 2:
            return None if inside else self.origins[part]
        return self.origins[part] + inside

    def end(self, at: int) -> int | None:
        """Return where what ends at `at` ended before; None within what was put in."""
        part = bisect_left(self.starts, at) - 1
        if part % 2:
            return self.origins[part + 1] if self.starts[part + 1] == at else None
        return self.origins[part] + at - self.starts[part]


def _rewrite(text: str, edits: Iterable[_Edit]) -> _Rewritten:
    """Replace stretches of a text, given from left to right."""
    pieces: list[str] = []
    starts, origins = [0], [0]
    behind = shift = 0
    for start, end, put in edits:
        pieces += (text[behind:start], put)
        behind = end
        if len(put) == end - start == 1:
            continue
        starts += (start + shift, start + shift + len(put))
        shift += len(put) - (end - start)
        origins += (start, end)
    return _Rewritten("".join((*pieces, text[behind:])), tuple(starts), tuple(origins)) if pieces else _Rewritten(text)


@dataclass(frozen=True)
class FoldedText:
    """A text as it is read.

    Any white space is one blank. Case, typographic forms of apostrophes, quotation marks and dashes, composition,
    ligatures and width make no difference. Characters that show nothing, and marks of emphasis at the edges of words
    (Markdown, HTML, LaTeX), are passed over.
    """

    text: str
    passes: tuple[_Rewritten, ...]

    @property
    def small(self) -> str:
        """The text in small letters; that of `I` is `i`."""
        return self.text.lower()

    @property
    def small_dotless(self) -> str:
        """The text in small letters as in Turkish, where that of `I` is `ı`."""
        return self.text.replace("I", "ı").lower()

    def origin(self, start: int, end: int) -> tuple[int, int] | None:
        """Return where a stretch stands in the text as it was; None if it holds half of a character."""
        for rewritten in reversed(self.passes):
            first, last = rewritten.start(start), rewritten.end(end)
            if first is None or last is None:
                return None
            start, end = first, last
        return start, end


def fold_text(text: str) -> FoldedText:
    """Return a text as it is read, but for the case of ASCII letters; its commands went through `mark_commands`."""
    passes = []
    if not text.isascii():
        passes.append(_rewrite(text, _units(text)))
        text = passes[-1].text
    passes.append(_rewrite(text, _gaps(text)))
    text = passes[-1].text.replace("`", "'")
    for blank in _OTHER_BLANKS:
        text = text.replace(blank, " ")
    return FoldedText(text, tuple(passes))


def _units(text: str) -> Iterator[_Edit]:
    """Yield each character that is not ASCII, with its marks, and what it is read as."""
    for run in _NOT_ASCII.finditer(text):
        # The marks may belong to an ASCII letter.
        for unit in FOLDED_UNITS.finditer(text, max(0, run.start() - 1), run.end()):
            yield unit.start(), unit.end(), fold_unit(unit.group())


def _gaps(text: str) -> Iterator[_Edit]:
    """Yield each run of blanks and marks of emphasis, and what it is read as: a blank, or nothing."""
    for run in _RUN.finditer(text):
        begin, behind = run.span()
        if run.group().isspace():
            yield begin, behind, " "
            continue
        for piece in _PIECE.finditer(text, begin, behind):
            start, end = piece.span()
            if not (text[start].isspace() or _emphasises(text, start, end)):
                yield from _gap(text, begin, start)
                begin = end
        yield from _gap(text, begin, behind)


def _gap(text: str, start: int, end: int) -> Iterator[_Edit]:
    """Yield what blanks and marks of emphasis are read as; marks on either side of the blanks are no part of it."""
    gap = text[start:end]
    blank, last = end - len(gap.lstrip(_MARKS)), start + len(gap.rstrip(_MARKS))
    if blank >= last:
        yield start, end, ""
        return
    yield start, blank, ""
    yield blank, last, " "
    yield last, end, ""


def _emphasises(text: str, start: int, end: int) -> bool:
    """Return whether a mark is one of emphasis: at the edge of a word, not inside one as in `2*3`, nor apart."""
    before, after = text[start - 1 : start] or " ", text[end : end + 1] or " "
    return text[start:end] != "~" and not (before.isspace() and after.isspace()) and not _joins(before, after)


def _joins(before: str, after: str) -> bool:
    """Return whether two characters that stand side by side belong to one word."""
    if not (_in_word(before) and _in_word(after)):
        return False
    # Only a dictionary knows where words end in such writing: they may end anywhere.
    return not (_UNSPACED.match(before) or _UNSPACED.match(after))


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"


def within_word(text: str, at: int) -> bool:
    """Return whether there is no edge of a word at a place in the text."""
    return 0 < at < len(text) and _joins(text[at - 1], text[at])


def mark_commands(text: str) -> str:
    """Return a text, of the same length, with marks of emphasis for the tags of HTML and the commands of LaTeX."""
    # Not one expression for both: a search from a letter on which all matches begin is many times as fast.
    if not (_HTML.search(text) or any(command in text for command in _LATEX)):
        return text
    open_braces: list[bool] = []

    def marked(found: re.Match[str]) -> str:
        sign = found.group()
        if sign in ("\\{", "\\}"):
            return sign
        if sign == "}":
            return "*" if open_braces and open_braces.pop() else sign
        if sign[-1] == "{":
            open_braces.append(sign != "{")
        return sign if sign == "{" else "*" * len(sign)

    return _TAGS_AND_BRACES.sub(marked, text)
