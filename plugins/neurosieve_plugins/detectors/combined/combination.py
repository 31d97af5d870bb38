"""What all detectors made of detectors have in common."""

import dataclasses
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from neurosieve import ConfigError, DataError, Detector, Document, Scope, Span, TokenizedDocument, check_fields
from neurosieve_plugins.detectors.combined.findings import Findings, settled

__all__ = ["Combination"]


class Combination(Detector):
    """A detector made of others, its parts. The first part gives the spans, and so the scope; all are asked for each
    document."""

    _takes_whole_texts = True
    """Whether a part may label whole texts."""

    def __post_init__(self) -> None:
        check_fields(self, f"the detector `{self._name}`: ")
        if self._takes_whole_texts:
            return
        for key, part in self.parts.items():
            if part.whole_texts:
                raise ConfigError(
                    f"`{key}` of the detector `{self._name}` labels whole texts, which have no place in a text: give "
                    "a detector of spans, or take `all_of` or `without`"
                )

    @property
    def parts(self) -> Mapping[str, Detector]:
        """The detectors that it is made of, by key, in the order of its fields."""
        parts: dict[str, Detector] = {}
        for field in dataclasses.fields(cast(Any, self)):
            value = getattr(self, field.name)
            if isinstance(value, Detector):
                parts[field.name] = value
            elif isinstance(value, tuple | list):
                parts |= {f"{field.name}[{number}]": part for number, part in enumerate(value)}
        return parts

    @property
    def _giving(self) -> Detector:
        """The part whose spans are yielded."""
        return next(iter(self.parts.values()))

    @property
    def _name(self) -> str:
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(self).__name__)[1:]

    @property
    def scope(self) -> Scope:  # type: ignore[override]  # A plain attribute elsewhere.
        """Where the part looks that gives the spans."""
        return self._giving.scope

    @property
    def whole_texts(self) -> bool:  # type: ignore[override]
        """Whether the part labels whole texts that gives the spans."""
        return self._giving.whole_texts

    @property
    def near_misses_are_unknown(self) -> bool:  # type: ignore[override]
        """Whether a part's are."""
        return any(part.near_misses_are_unknown for part in self.parts.values())

    @property
    def looks_ahead(self) -> bool:  # type: ignore[override]
        """Whether a part does."""
        return any(part.looks_ahead for part in self.parts.values())

    @property
    def asks_server(self) -> bool:  # type: ignore[override]
        """Whether a part does."""
        return any(part.asks_server for part in self.parts.values())

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterator[str]:
        """Let every part that looks ahead do so, equal parts once, and yield what they remark."""
        for part in self._looking_ahead():
            yield from part.prepare(documents, progress)

    def estimate(self, documents: Sequence[Document]) -> str:
        """Return what the parts that look ahead would cost."""
        return "; ".join(cost for part in self._looking_ahead() if (cost := part.estimate(documents)))

    def _looking_ahead(self) -> list[Detector]:
        """Return the parts that look ahead, or their parts, each once."""
        found: list[Detector] = []
        for part in self.parts.values():
            inner = part._looking_ahead() if isinstance(part, Combination) else [part]
            found += [each for each in inner if each.looks_ahead and each not in found]
        return found

    def check(self, documents: Sequence[Document | TokenizedDocument]) -> None:
        """Raise where the settings of a part fit none of the documents.

        Raises:
            DataError: the message names the part.
        """
        for key, part in self.parts.items():
            try:
                part.check(documents)
            except DataError as error:
                keys = str(error).replace("detectors.<name>.", f"detectors.<name>.{key}.")
                raise DataError(f"in its part `{key}`, {keys}") from error

    def detect(self, document: Document) -> Iterable[Span]:
        """Yield where it shows, from left to right."""
        findings = self.findings(document)
        _recent.append((self, document, findings))
        return [*findings.spans, *findings.out_of_scope]

    def near_misses(self, document: Document) -> Iterable[Span]:
        """Yield where it depends on what a part cannot tell whether it shows, from left to right."""
        for detector, seen, findings in reversed(tuple(_recent)):
            if detector is self and seen is document:
                return findings.unknown
        return self.findings(document).unknown

    @abstractmethod
    def findings(self, document: Document) -> Findings:
        """Return where it shows and where it may."""

    def _findings_of(self, part: Detector, document: Document) -> Findings:
        """Return what a part finds.

        Raises:
            DataError: one of its spans does not lie in the text.
        """
        if isinstance(part, Combination):
            return part.findings(document)
        spans, unknown = sorted(part.detect(document)), sorted(part.near_misses(document))
        for span in (*spans, *unknown):
            if not 0 <= span.start < span.end <= len(document.text):
                raise DataError(
                    f"a part of the detector `{self._name}`, {type(part).__name__}, found {tuple(span)} in document "
                    f"`{document.id}`, of {len(document.text):,} characters: correct it; a span lies in the text and "
                    "is not empty"
                )
        in_scope = document.in_scope(spans, part.scope)
        outside = () if len(in_scope) == len(spans) else sorted(set(spans).difference(in_scope))
        return settled(in_scope, document.in_scope(unknown, part.scope), outside)

    def _refuse_parts_apart(self) -> None:
        """Raise where two parts look at texts that share nothing, so that none of their spans could overlap.

        Raises:
            ConfigError: the message says which, and where they look.
        """
        (first, giving), *others = self.parts.items()
        for key, part in others:
            scopes = {giving.scope, part.scope}
            together = len(scopes) == 1 or ("completion" in scopes and "prompt" not in scopes)
            if not together and not giving.whole_texts and not part.whole_texts:
                raise ConfigError(
                    f"`{first}` of the detector `{self._name}` looks in the {giving.scope} and `{key}` in the "
                    f"{part.scope}, so that their spans never meet: give both the same `scope`"
                )


_recent: deque[tuple[Combination, Document, Findings]] = deque(maxlen=64)
"""What was found last: what is nearly found is asked for behind it, and parts may take long. Only this very detector's
findings in this very document are taken, so that both answers are of one moment."""
