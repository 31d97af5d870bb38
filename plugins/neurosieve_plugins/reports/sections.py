"""Every section of a run's page, in order: its own, and those of the runs that went on from it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from neurosieve import Block, Note, Run
from neurosieve_plugins.reports.ablate_sections import effect_sections
from neurosieve_plugins.reports.agreement_sections import agreement_sections
from neurosieve_plugins.reports.annotate_sections import annotate_sections
from neurosieve_plugins.reports.any_sections import again, read, request, typed
from neurosieve_plugins.reports.blocks import Figure, Fold, Grid, Heatmap, Section
from neurosieve_plugins.reports.compare_sections import comparison_sections
from neurosieve_plugins.reports.find_sections import phrases_found, ranking_sections, rescored_sections
from neurosieve_plugins.reports.runs_below import called, parts, second_ranking, went_on_from
from neurosieve_plugins.reports.show_sections import show_sections
from neurosieve_plugins.reports.suggestion_section import suggestion_section
from neurosieve_plugins.reports.trace_sections import analysis_sections, found_section, written_sections
from neurosieve_plugins.reports.two_rankings_section import two_rankings_section

__all__ = ["cautions", "drawn", "sections"]

_GOES_ON = {
    "show": "what the best neurons hold on real texts, token by token",
    "ablate": "whether it matters that they fire: their effect beside that of control neurons",
}


def sections(run: Run, best: int, most_points: int) -> list[Section]:
    """Return what a run has to show.

    Args:
        run: of any command.
        best: how many neurons the table of a ranking lists.
        most_points: how many neurons are drawn as points.
    """
    both = two_rankings_section(run, most_points) if run.command == "find" else None
    every = [both, request(run), read(run), *_own(run, best, most_points), *_of_parts(run, best, most_points)]
    return [section for section in (*every, parts(run), again(run)) if section is not None]


def cautions(run: Run) -> list[str]:
    """Return the warnings of a run, and of the runs below it, whose results the page shows too."""
    own = [str(warning) for warning in run.run.get("warnings", [])]
    return own + [f"{name}: {warning}" for name, part in called(run) for warning in part.run.get("warnings", [])]


def _own(run: Run, best: int, most_points: int, phrases: bool = True) -> Iterator[Section | None]:
    if run.command == "find" and "neurons" in run.tables:
        yield from ranking_sections(run, best, most_points)
    if run.command == "rescore" and "neurons" in run.tables:
        yield from rescored_sections(run, best)
    if run.command == "analyze" and "summary" in run.tables:
        yield from analysis_sections(run)
    if run.command == "annotate":
        yield from annotate_sections(run)
    if run.command in ("detect", "learn", "annotate"):
        yield from agreement_sections(run)
        yield suggestion_section(run)
    if run.command == "generate":
        yield from written_sections(run)
    if run.command == "compare":
        yield from comparison_sections(run, most_points)
    if phrases:
        yield _phrases(run)
    if run.command == "detect":
        yield found_section(run)
    if run.command == "show":
        yield from show_sections(run)
    if run.command == "ablate":
        yield from effect_sections([run])


def _phrases(run: Run) -> Section | None:
    return phrases_found(run) if run.command in ("find", "analyze", "detect") else None


def _of_parts(run: Run, best: int, most_points: int) -> Iterator[Section | None]:
    """Yield what the runs below a run have to show; of several that show neurons on text, the last."""
    below = went_on_from(run)
    # What a run below this one was found by is what this one was: once is enough.
    phrases = _phrases(run) is None and not run.whole_texts
    for name, part in called(run):
        if part in below and part.command not in ("show", "ablate"):
            for section in _own(part, best, most_points // 4, phrases):
                if section is not None:
                    yield Section(f"{section.title} ({name})", section.lead, section.blocks)
    yield from _shown_and_edited(below)
    if (beside := second_ranking(run)) is not None:
        by = f"by {beside.cells.name}"
        # Its edits are of other neurons than those of the ranking: they are never told together.
        of_beside = (*_own(beside, best, most_points // 2, phrases=False), *_shown_and_edited(went_on_from(beside)))
        for section in of_beside:
            if section is not None:
                named = beside.cells.name in section.title
                title = section.title if named else f"{section.title} · {by}"
                yield Section(title, section.lead, section.blocks)
    if run.command == "find":
        # An edit is at single tokens, and cannot be that of a unit of several.
        possible = [name for name in _GOES_ON if name != "ablate" or run.unit == "token"]
        lacking = [name for name in possible if not any(part.command == name for part in below)]
        if lacking:
            notes = tuple(
                Note(f"This adds {_GOES_ON[name]}:", f"neurosieve {name} {typed('run', run.folder)}")
                for name in lacking
            )
            yield Section("What to do next", "This page gains a part as each of these has run.", notes)


def _shown_and_edited(below: Sequence[Run]) -> Iterator[Section]:
    below = sorted(below, key=lambda run: run.ended)
    if shown := [part for part in below if part.command == "show"]:
        yield from show_sections(shown[-1])
    if ablated := [part for part in below if part.command == "ablate"]:
        yield from effect_sections(ablated)


def drawn(sections: Sequence[Section]) -> Iterator[tuple[str, Figure | Grid | Heatmap]]:
    """Yield whatever holds a chart, in the order of the page, each with a name of its own."""
    times: Counter[str] = Counter()
    for section in sections:
        for chart in _charts(section.blocks):
            times[chart.name] += 1
            yield f"{chart.name}-{times[chart.name]}" if times[chart.name] > 1 else chart.name, chart


def _charts(blocks: Sequence[Block]) -> Iterator[Figure | Grid | Heatmap]:
    for block in blocks:
        if isinstance(block, Fold):
            yield from _charts(block.blocks)
        elif isinstance(block, Figure | Grid | Heatmap):
            yield block
