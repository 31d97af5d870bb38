"""Detect phrases."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from neurosieve import ConfigError, Detector, Document, Scope, Span, check_fields
from neurosieve_plugins.detectors.character_folds import letters_of
from neurosieve_plugins.detectors.folding import fold_text, mark_commands, within_word
from neurosieve_plugins.detectors.near_phrases import is_nearly
from neurosieve_plugins.detectors.phrase_search import FoldedPhrase, PhraseSearch, Place, phrase_search, small

__all__ = ["Phrases"]


@dataclass(frozen=True)
class Phrases(Detector):
    """Any of some phrases, however they are written.

    In texts and phrases alike, any white space is one blank. Case, composition, ligatures and width make no difference,
    nor the form of apostrophes, quotation marks and dashes. Characters that show nothing are passed over, and so are
    marks of emphasis at the edges of words: `**not**`, `_not_`, `<b>not</b>`, `\\textbf{not}`. Where such marks matter,
    take the detector `regex`.

    Every occurrence counts. Where two overlap, the one that starts first is taken, and the longer of two that start
    together. A span is labelled with its phrase as given.

    >>> document = Document(id="a", group="a", text="HMM, THAT’S **NOT** it. Wait for the bus.")
    >>> list(Phrases(("hmm", "hmm, that's not", "wait")).detect(document))
    [Span(start=0, end=17, label="hmm, that's not"), Span(start=24, end=28, label='wait')]
    """

    phrases: tuple[str, ...]
    words: bool = False
    """Whether a phrase must begin and end where words do, so that `wait` is not found in `awaited`. Next to a letter
    of a script that is written without blanks (Chinese, Japanese, Thai, Khmer, ...) a word may begin and end anywhere.
    """
    language: Literal["any", "tr", "az"] = "any"
    """`tr` or `az` where the text has the case rules of Turkish or Azerbaijani: `I` is the capital of `ı`, and `İ` of
    `i`. With `any` it is so for a phrase that has an `ı` or `İ`."""
    scope: Scope = "completion"
    """Where it looks. A phrase never runs from one part of it into another."""

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.phrases:
            raise ConfigError("`phrases` of the detector `phrases` is empty: give at least one phrase")
        for number, phrase in enumerate(self.phrases, start=1):
            if not fold_text(mark_commands(phrase)).text.strip():
                raise ConfigError(
                    f"phrase {number} of the detector `phrases` is blank ({phrase!r}), and would be found everywhere: "
                    "leave it out"
                )

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield the phrases in the scope, from left to right."""
        for start, end in document.stretches(self.scope):
            yield from _from_left(self._matches(document.text[start:end]), start)

    def near_misses(self, document: Document) -> Iterator[Span]:
        """Yield what has the letters of a phrase, and differs in the signs of one gap, or in accents or look-alikes."""
        for start, end in document.stretches(self.scope):
            yield from _from_left(self._near(document.text[start:end]), start)

    def _matches(self, text: str) -> Iterator[Span]:
        text, search = mark_commands(text), self._search
        for place in search.places(text):
            yield from self._at(text, place)
        if search.signs:
            yield from self._in(text, search.signs)

    def _near(self, text: str) -> Iterator[Span]:
        text = mark_commands(text)
        for place in self._search.places(text):
            if not any(self._at(text, place)):
                for phrase in place.phrases:
                    if is_nearly(text, place.start, place.end, phrase):
                        yield Span(place.start, place.end, phrase.label)

    def _at(self, text: str, place: Place) -> Iterator[Span]:
        """Yield the phrases that stand at a place, of which only the letters are known so far."""
        first, around = place.phrases[0], text[max(0, place.start - 1) : place.end + 1]
        plain = len(place.phrases) == 1 and not first.dotless and around.isascii()
        as_is = plain and text[place.start : place.end].lower() == first.text
        if as_is and not self._cuts(text, place.start, place.end):
            yield Span(place.start, place.end, first.label)
            return
        # With the letters before and behind, all that can change how the signs between are read.
        begin, behind = place.start, place.end
        while begin and not letters_of(text[begin := begin - 1]):
            pass
        while behind < len(text) and not letters_of(text[(behind := behind + 1) - 1]):
            pass
        for span in self._in(text[begin:behind], place.phrases):
            start, end = span.start + begin, span.end + begin
            if start <= place.start and place.end <= end:
                yield Span(start, end, span.label)

    def _in(self, text: str, phrases: Iterable[FoldedPhrase]) -> Iterator[Span]:
        """Yield every occurrence of some phrases."""
        folded = fold_text(text)
        for phrase in phrases:
            letters = small(folded, phrase.dotless)
            at = -1
            while (at := letters.find(phrase.text, at + 1)) >= 0:
                behind = at + len(phrase.text)
                origin = folded.origin(at, behind)
                if origin and not self._cuts(letters, at, behind):
                    yield Span(*origin, phrase.label)

    def _cuts(self, text: str, start: int, end: int) -> bool:
        return self.words and (within_word(text, start) or within_word(text, end))

    @property
    def _search(self) -> PhraseSearch:
        return phrase_search(tuple(self.phrases), self.language)


def _from_left(spans: Iterable[Span], offset: int) -> Iterator[Span]:
    """Yield spans that do not overlap, the first and then the longest, moved by an offset."""
    behind = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.start >= behind:
            behind = span.end
            yield Span(span.start + offset, span.end + offset, span.label)
