"""The one door for documents: each is checked as it comes in, and what was skipped or assumed is counted."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from typing import Any, get_args

from neurosieve.data import ROLES_OF, Document, Role, Skipped
from neurosieve.errors import DataError
from neurosieve.registry import failures_of
from neurosieve.wording import plural

__all__ = [
    "add_doubt",
    "add_remark",
    "admit",
    "check_documents",
    "check_item",
    "check_majority",
    "check_skipped",
    "first_look",
    "intake_notes",
    "intake_record",
    "intake_warnings",
    "is_intake",
    "scope_warnings",
]

_ASSUMED, _KNOWN, _SKIPPED, _REMARK, _DOUBT = "assumed: ", "known: ", "skipped: ", "remark: ", "doubt: "
"""What the counts of a run call a guess and an assumption that is none, by their words, a skipped record, and what a
detector remarks or doubts."""
_EXAMPLES = 3
"""Of so many skipped records it is told which they are."""
_FIRST_LOOK = 100
"""So many items of a source that is read later are looked at first."""


def check_documents(documents: Iterable[Document | Skipped], counts: Counter[str]) -> Iterator[Document]:
    """Yield the documents of a source; how many there are, and what was skipped and assumed, is added to `counts`.

    Raises:
        DataError: one of them is not a sound document, or two share an id; and at the end, most records were skipped,
            or doubtful assumptions hold for most documents.
    """
    yield from _checked(documents, counts)
    check_majority(counts)
    check_skipped(counts)


def _checked(documents: Iterable[Document | Skipped], counts: Counter[str]) -> Iterator[Document]:
    seen: set[str] = set()
    with failures_of(documents):
        for item in documents:
            document = admit(item, counts)
            if document is None:
                continue
            if document.id in seen:
                raise DataError(f"two documents have the id `{document.id}`: give each an id of its own")
            seen.add(document.id)
            yield document


def admit(item: Document | Skipped, counts: Counter[str]) -> Document | None:
    """Return an item of a source, checked and counted; None for a skipped record.

    Raises:
        DataError: it is not a sound document.
    """
    check_item(item)
    if isinstance(item, Skipped):
        counts["documents_skipped"] += 1
        if counts["documents_skipped"] <= _EXAMPLES:
            counts[f"{_SKIPPED}{item.where}: {item.why}"] += 1
        return None
    _check_ranges(item)
    counts["documents"] += 1
    for name in {f"{_KNOWN if each.known else _ASSUMED}{each.what}": None for each in item.assumptions}:
        counts[name] += 1
    if any(assumption.doubtful for assumption in item.assumptions):
        counts["documents_doubtful"] += 1
    return item


def check_item(item: object) -> None:
    """Raise DataError unless an item of a source is a Document or a Skipped."""
    if not isinstance(item, Document | Skipped):
        raise DataError(f"the source gave {item!r:.80}, which is not a `neurosieve.Document`: wrap each text in one")


def _check_ranges(document: Document) -> None:
    """Raise DataError unless passages and annotations lie in the text, the passages in order."""
    length, start = len(document.text), document.completion_start
    fault = "" if 0 <= start <= length else f"its completion starts at {start:,}, outside its {length:,} characters"
    roles = get_args(Role)
    for passage in document.passages:
        begin, end, role = passage
        named = f"its passage {begin:,} to {end:,} (`{role}`)"
        if role not in roles:
            fault = fault or f"{named} has an unknown role: there are {', '.join(roles)}"
        if not 0 <= begin <= end <= length:
            fault = fault or f"{named} is not a stretch of its {length:,} characters"
    for before, after in pairwise(document.passages):
        if after.start < before.end:
            how = "overlap" if after.end > before.start else "are out of order"
            fault = fault or (
                f"its passages {before.start:,} to {before.end:,} (`{before.role}`) and {after.start:,} to "
                f"{after.end:,} (`{after.role}`) {how}"
            )
    for span in document.annotations:
        if not 0 <= span.start < span.end <= length:
            fault = fault or f"its annotation {tuple(span)} is not a stretch of its {length:,} characters"
    if start and document.passages:
        own = next((passage.start for passage in document.passages if _by_model(passage.role)), length)
        others = [passage.end for passage in document.passages if passage.end <= own and not _by_model(passage.role)]
        if not max(others, default=0) <= start <= own:
            fault = fault or (
                f"its completion starts at {start:,}, and by its passages the model's own words start at {own:,}: "
                "leave out `completion_start`"
            )
    if fault:
        raise DataError(f"document `{document.id}` contradicts itself: {fault}; correct what the source gives")


def _by_model(role: Any) -> bool:
    return role in ROLES_OF["completion"]


def check_majority(counts: Counter[str]) -> None:
    """Raise DataError where all records were skipped, or doubtful assumptions hold for most of the documents."""
    if counts["documents_skipped"] and not counts["documents"]:
        raise DataError(
            f"all {plural(counts['documents_skipped'], 'record')} of the source were skipped, and none is left to "
            f"read ({_examples(counts)}): check the fields that it reads"
        )
    if 2 * counts["documents_doubtful"] > counts["documents"]:
        raise DataError(
            f"how to understand {counts['documents_doubtful']:,} of {plural(counts['documents'], 'document')} was a "
            f"doubtful guess ({'; '.join(_counted(counts, _ASSUMED))}): tell the source by its fields; `neurosieve "
            "detect source=... look=3` shows what it understands"
        )


def check_skipped(counts: Counter[str]) -> None:
    """Raise DataError where more records of a source that was read to its end were skipped than documents were read."""
    if counts["documents_skipped"] > counts["documents"]:
        raise DataError(
            f"most records were skipped: {plural(counts['documents_skipped'], 'record')}, and only "
            f"{plural(counts['documents'], 'document')} could be read ({_examples(counts)}): what is left may not "
            "stand for the whole; where the records are laid out in different ways, split the file and read each part "
            "with settings of its own, else correct the records, or take them out of the file"
        )


def first_look(documents: Iterable[Document | Skipped]) -> None:
    """Check the first documents of a source that is read later: a mistake in them is to be heard of before that.

    Raises:
        DataError: as for `check_documents`, but that most of these first ones may be skipped.
    """
    counts = Counter[str]()
    for _ in _checked(islice(documents, _FIRST_LOOK), counts):
        pass
    check_majority(counts)


def intake_record(counts: Counter[str]) -> dict[str, object]:
    """Return counts as `run.json` has them: `assumptions` with their numbers, and the first `skipped` records."""
    record: dict[str, object] = {name: counts[name] for name in sorted(counts) if not is_intake(name)}
    if assumptions := _numbers(counts, _ASSUMED) | _numbers(counts, _KNOWN):
        record["assumptions"] = assumptions
    if skipped := [name.removeprefix(_SKIPPED) for name in counts if name.startswith(_SKIPPED)]:
        record["skipped"] = skipped[:_EXAMPLES]
    return record


def intake_warnings(counts: Counter[str]) -> list[str]:
    """Return warnings about skipped records, each guess, documents without what is looked in, and doubtful labels."""
    skipped, read = plural(counts["documents_skipped"], "record"), plural(counts["documents"], "document")
    # A record may make several documents, so that the two do not add up to a number of records.
    were = "was" if counts["documents"] == 1 else "were"
    said = f"skipped {skipped}; {read} {were} read: {_examples(counts)}"
    warnings = [said] if counts["documents_skipped"] else []
    return warnings + _counted(counts, _ASSUMED) + scope_warnings(counts) + list(_numbers(counts, _DOUBT))


def intake_notes(counts: Counter[str]) -> list[str]:
    """Return what to know of how the documents were read, where nothing had to be guessed, and what was remarked."""
    return [*_counted(counts, _KNOWN), *_numbers(counts, _REMARK)]


def add_remark(counts: Counter[str], remark: str) -> None:
    """Add what a detector remarks of the documents to the counts of a run, whose notes then have it."""
    counts[f"{_REMARK}{remark}"] = 1


def add_doubt(counts: Counter[str], doubt: str) -> None:
    """Add what makes a detector's labels doubtful to the counts of a run, whose warnings then have it."""
    counts[f"{_DOUBT}{doubt}"] = 1


def scope_warnings(counts: Counter[str]) -> list[str]:
    """Return a warning for each scope that detectors look in and that some documents do not have."""
    total = plural(counts["documents"], "document")
    without = {scope: counts[f"documents_without_{scope}"] for scope in ROLES_OF}
    warnings = {scope: f"{count:,} of {total} have no {scope}" for scope, count in without.items() if count}
    if without["prompt"] == counts["documents"] and "prompt" in warnings:
        warnings["prompt"] += "; if their texts are prompts alone, set `source.prompts_only=true`"
    return list(warnings.values())


def _examples(counts: Counter[str]) -> str:
    named = [name.removeprefix(_SKIPPED) for name in counts if name.startswith(_SKIPPED)][:_EXAMPLES]
    return "; ".join(named) + "; …" * (counts["documents_skipped"] > len(named))


def _counted(counts: Counter[str], kind: str) -> list[str]:
    total = plural(counts["documents"], "document")
    return [f"in {count:,} of {total}: {what}" for what, count in _numbers(counts, kind).items()]


def _numbers(counts: Counter[str], kind: str) -> dict[str, int]:
    return {name.removeprefix(kind): count for name, count in counts.items() if name.startswith(kind)}


def is_intake(name: str) -> bool:
    """Return whether a count is of what is said in words, which are part of its name: an assumption, a remark, ..."""
    return name.startswith((_ASSUMED, _KNOWN, _SKIPPED, _REMARK, _DOUBT))
