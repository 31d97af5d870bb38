"""Detect texts by what their records say of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import regex
from annotated_types import MinLen

from neurosieve import (
    ConfigError,
    DataError,
    Detector,
    Document,
    Scope,
    Span,
    TokenizedDocument,
    check_fields,
    nearest,
    plural,
)
from neurosieve_plugins.detectors.field_values import counted, field_names, name_of_value, number_of_value
from neurosieve_plugins.records import kind_of, value_at

__all__ = ["Metadata"]

_MISSING: Any = object()
_SECONDS = 1.0
"""So much time a pattern may take for one value."""


class _Judgement(NamedTuple):
    """Whether a text shows the behaviour, by its record."""

    shows: bool | None
    """None where that is not known."""
    label: str
    """The value that says so, or why it is not known."""


@dataclass(frozen=True)
class Metadata(Detector):
    """Whole texts whose record says that they show the behaviour: by a label, a grade, a score.

    Give `values`, a `pattern`, or the bounds `above` and `below`. Texts with any other value are those to compare with;
    where `against` names values, only those with one of them. Of a text whose record lacks the field, or holds null or
    blanks in it, nothing is known: it counts neither as the behaviour nor as a control.

    A span goes over the whole scope, and is labelled with the value. Values are compared as texts, without regard to
    case and to blanks around them, so that `1` is `"1"` and `true` is `"True"`.

    >>> answer = Document(id="a", group="a", text="It is Lyon.", metadata={"label": "hallucinated", "score": 0.9})
    >>> list(Metadata("label", values=("hallucinated",), against=("faithful",)).detect(answer))
    [Span(start=0, end=11, label='hallucinated')]
    >>> list(Metadata("score", above=0.5).detect(answer))
    [Span(start=0, end=11, label='0.9')]
    """

    whole_texts = True

    field: str
    """The field of the record, or a path into nested ones, such as `grade.label`."""
    values: tuple[str | int | float | bool, ...] = ()
    """The values of texts that show the behaviour."""
    against: tuple[str | int | float | bool, ...] = ()
    """The values of texts that do not; all others, where none is given."""
    pattern: Annotated[str, MinLen(1)] | None = None
    """A regular expression that is found in the values of texts that show the behaviour. As with `values`, case is
    ignored, but where `(?-i:...)` says so; `True` is `true`, and 1.0 is `1`."""
    above: float | None = None
    """Texts whose number is above this show the behaviour."""
    below: float | None = None
    """Texts whose number is below this show the behaviour; with `above` as well, those in between."""
    scope: Scope = "completion"
    """What is marked: all that the model wrote (`completion`), its `thought` or `answer` alone, or the `prompt`."""

    def __post_init__(self) -> None:
        for name in ("values", "against"):
            if isinstance(value := getattr(self, name), str):  # Each letter would be a value.
                raise ConfigError(f"`{name}` of the detector `metadata` is a text: give a list, [{value}]")
        check_fields(self, "the detector `metadata`: ")
        if not self.field.strip():
            raise ConfigError("`field` of the detector `metadata` is empty: give a field of the records")
        ways = [name for name in ("values", "pattern") if getattr(self, name)] + ["above or below"] * self._bounded
        if len(ways) > 1:
            raise ConfigError(f"the detector `metadata` has {' and '.join(ways)}: give one of them")
        if self.against and self._bounded:
            raise ConfigError("`against` of the detector `metadata` has no use with `above` or `below`: leave it out")
        if twice := {*map(str, map(name_of_value, self.values))} & {*map(str, map(name_of_value, self.against))}:
            raise ConfigError(f"`{min(twice)}` is in `values` and `against` of the detector `metadata`: choose one")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise ConfigError(
                f"no number is above {self.above:g} and below {self.below:g}: give a smaller `above` to the detector "
                "`metadata`, or two detectors"
            )
        try:
            regex.compile(self.pattern or "")
        except regex.error as error:
            raise ConfigError(
                f"`pattern` of the detector `metadata`, `{self.pattern}`, is not a regular expression: {error.msg}"
            ) from error

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield each stretch of the scope of a document whose record says that it shows the behaviour."""
        judgement = self._judgement(document.metadata)
        if judgement.shows:
            yield from (Span(start, end, judgement.label) for start, end in document.stretches(self.scope))

    def near_misses(self, document: Document) -> Iterator[Span]:
        """Yield each stretch of the scope of a document of which that is not known, labelled with the reason."""
        judgement = self._judgement(document.metadata)
        if judgement.shows is None:
            yield from (Span(start, end, judgement.label) for start, end in document.stretches(self.scope))

    def check(self, documents: Sequence[Document | TokenizedDocument]) -> None:
        """Raise where the field, the values or the bounds fit none of the documents.

        Raises:
            DataError: the message names the fields, or counts the values, that there are.
        """
        metadata = [document.metadata for document in documents if document.stretches(self.scope)]
        if not metadata:
            return
        values = [value_at(fields, self.field, _MISSING) for fields in metadata]
        where = plural(len(metadata), "document")
        if all(value is _MISSING for value in values):
            raise DataError(f"none of {where} has the field `{self.field}` in its metadata: {self._hint(metadata)}")
        judgements = [self._judgement(fields) for fields in metadata]
        known = [value for value in values if name_of_value(value) is not None]
        self._check_values(known, where)
        numbers = Counter(judgement.shows for judgement in judgements)
        if not numbers[True]:
            wanted = "a value that is looked for" if known else "a value"
            raise DataError(f"none of {where} has {wanted} in `{self.field}`: {counted(known) or _reasons(judgements)}")
        if not numbers[False]:
            raise DataError(
                f"each of {where} whose `{self.field}` says something shows it, so that there is nothing to compare "
                f"with: `{self.field}` is {counted(known)}; give texts of both kinds"
            )

    @property
    def _bounded(self) -> bool:
        return self.above is not None or self.below is not None

    def _judgement(self, metadata: Mapping[str, Any]) -> _Judgement:
        value = value_at(metadata, self.field, _MISSING)
        if value is _MISSING:
            return _Judgement(None, f"it has no `{self.field}`")
        name, shown = name_of_value(value), f"`{self.field}` is"
        if name is None:
            return _Judgement(None, f"{shown} {kind_of(value)}")
        given = {*map(name_of_value, self.values)}
        against = {*map(name_of_value, self.against)}
        if not name and not {""} & (given | against):
            return _Judgement(None, f"{shown} blank")
        label = str(value).strip()
        if self._bounded:
            number = number_of_value(value)
            if number is None:
                return _Judgement(None, f"{shown} `{label}`, which is not a number")
            inside = (self.above is None or number > self.above) and (self.below is None or number < self.below)
            return _Judgement(inside, label)
        if not self.values and self.pattern is None:
            return _Judgement(None, "no value is looked for")
        shows = name in given if self.pattern is None else self._matches(label if isinstance(value, str) else name)
        if not shows and against and name not in against:
            return _Judgement(None, f"{shown} `{label}`")
        return _Judgement(shows, label)

    def _matches(self, value: str) -> bool:
        try:
            return regex.search(self.pattern or "", value, regex.IGNORECASE, timeout=_SECONDS) is not None
        except TimeoutError:
            raise DataError(
                f"the pattern `{self.pattern}` of the detector `metadata` has not ended after {_SECONDS:g} seconds on "
                f"`{value:.80}`: rewrite what is repeated and can match the same text in several ways"
            ) from None

    def _check_values(self, known: Sequence[Any], where: str) -> None:
        """Raise where no value is looked for, or one that no record has."""
        what = f"`{self.field}` is {counted(known)}" if known else f"none of {where} has a value in `{self.field}`"
        numbers = [number for value in known if (number := number_of_value(value)) is not None]
        fractions = len(numbers) == len(known) and any(not number.is_integer() for number in numbers)
        bounds = "they are numbers: give `detectors.<name>.above` or `below`"
        if not self.values and self.pattern is None and not self._bounded:
            raise DataError(
                f"nothing says which values show it: {what}; {bounds if fractions else _ways_to_name(known)}"
            )
        names = {name_of_value(value) for value in known}
        for value in (*self.values, *self.against):
            if known and name_of_value(value) not in names:
                hint = bounds if fractions else self._hint_at_values(value, known)
                raise DataError(f"none of {where} has `{value}` in `{self.field}`: {what}; {hint}")

    def _hint_at_values(self, value: str | float, known: Sequence[Any]) -> str:
        """Return what to do about a value that is not among those of the records."""
        names = {str(name_of_value(each)) for each in known}
        if (hint := nearest(str(value), names)).startswith("did"):
            return hint
        if names <= {name_of_value(each) for each in (*self.values, *self.against)}:
            return "give texts of both kinds"
        return _ways_to_name(known)

    def _hint(self, metadata: Sequence[Mapping[str, Any]]) -> str:
        names = field_names(metadata)
        if not names:
            return "the records hold nothing but their texts"
        hint = nearest(self.field, names)
        listed = ", ".join(f"`{name}`" for name in names)
        return f"it holds {listed}{f'; {hint}' if hint.startswith('did') else ''}"


def _ways_to_name(known: Sequence[Any]) -> str:
    """Return how to say which values show the behaviour, in the words of a config: of two values of truth, an example.

    >>> _ways_to_name([0.0, 1.0])
    'name those that show it and those that do not, as in `detectors.<name>.values=[1] detectors.<name>.against=[0]`'
    """
    names = sorted({str(name_of_value(value)) for value in known})
    shows, other = (names[1], names[0]) if names in (["0", "1"], ["false", "true"]) else ("...", "...")
    return (
        "name those that show it and those that do not, as in "
        f"`detectors.<name>.values=[{shows}] detectors.<name>.against=[{other}]`"
    )


def _reasons(judgements: Sequence[_Judgement]) -> str:
    return "; ".join(reason for reason, _ in Counter(judgement.label for judgement in judgements).most_common(3))
