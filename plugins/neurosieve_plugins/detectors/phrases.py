"""Detect phrases."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ahocorasick_rs import AhoCorasick

from neurosieve import ConfigError, Detector, Document, Span

__all__ = ["Phrases"]

# Each stands for the apostrophe of "that's" in some text: the right and left quotation marks, the modifier letter
# (which the folded `ŉ` holds), the full-width form.
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ＇", "'"))


@dataclass(frozen=True)
class Phrases(Detector):
    """Any of some phrases, in any case.

    Every occurrence counts. Where two overlap, the one that starts first is taken, and the longer of two that start
    together. A typographic apostrophe is read as a straight one. A span is labelled with its phrase as given.

    >>> document = Document(id="a", group="a", text="HMM, THAT’S NOT it. Wait for the bus.")
    >>> list(Phrases(("hmm", "hmm, that's not", "wait")).detect(document))
    [Span(start=0, end=15, label="hmm, that's not"), Span(start=20, end=24, label='wait')]
    """

    phrases: tuple[str, ...]
    words: bool = False
    """Whether a phrase must begin and end where words do, so that `wait` is not found in `awaited`."""

    def __post_init__(self) -> None:
        if not self.phrases:
            raise ConfigError("`phrases` of the detector `phrases` is empty: give at least one phrase")
        if isinstance(self.phrases, str):  # Each letter would be a phrase.
            raise ConfigError(f"`phrases` of the detector `phrases` is a text: give a list, [{self.phrases}]")
        for number, phrase in enumerate(self.phrases, start=1):
            if not phrase.strip():
                raise ConfigError(
                    f"phrase {number} of the detector `phrases` is blank ({phrase!r}), and would be found everywhere: "
                    "leave it out"
                )

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield the phrases in the completion, from left to right."""
        text = document.text
        folded = _fold(text)
        origin = _origin(text) if len(folded) != len(text) else None
        automaton, labels = _automaton(tuple(self.phrases))
        matches = []
        for phrase, start, end in automaton.find_matches_as_indexes(folded, overlapping=True):
            if origin is not None:
                # Half of a folded character is no match: `s` is not in `ß`.
                if origin[start - 1 : start] == origin[start : start + 1] or origin[end - 1] == origin[end]:
                    continue
                start, end = origin[start], origin[end]
            if start >= document.completion_start and not (self.words and _cuts_word(text, start, end)):
                matches.append((start, -end, phrase))
        # The automaton cannot choose among overlapping matches: one that is left out above would hide others.
        behind = 0
        for start, negative_end, phrase in sorted(matches):
            if start >= behind:
                behind = -negative_end
                yield Span(start, behind, labels[phrase])


def _fold(text: str) -> str:
    return text.casefold().translate(_APOSTROPHES)


def _origin(text: str) -> Sequence[int]:
    """Return, for each character of the folded text and for its end, the character of `text` that it comes from."""
    origin = [at for at, character in enumerate(text) for _ in character.casefold()]
    origin.append(len(text))
    return origin


def _cuts_word(text: str, start: int, end: int) -> bool:
    return _within_word(text, start) or _within_word(text, end)


def _within_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and _in_word(text[at - 1]) and _in_word(text[at])


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


@lru_cache(maxsize=64)
def _automaton(phrases: tuple[str, ...]) -> tuple[AhoCorasick, tuple[str, ...]]:
    """Return what finds the folded phrases, and the phrase of each of its numbers."""
    labels: dict[str, str] = {}
    for phrase in phrases:
        labels.setdefault(_fold(phrase), phrase)
    return AhoCorasick(list(labels)), tuple(labels.values())
