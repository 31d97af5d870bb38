"""The section of what people label: which sentences were drawn, or what came of the labels."""

from collections.abc import Iterator

from neurosieve import Run, annotation_blocks
from neurosieve_plugins.reports.blocks import Section

__all__ = ["annotate_sections"]


def annotate_sections(run: Run) -> Iterator[Section]:
    """Yield which sentences people are to label, or what they say of the detectors and how far they agree."""
    if blocks := tuple(annotation_blocks(run)):
        drawn = "strata" in run.tables
        lead = (
            "Drawn by what the detectors say of them, so that few labels tell how good each detector is. Each keeps a "
            "weight: how many sentences of the texts it stands for."
            if drawn
            else "Labels of drawn sentences, weighted by how many sentences of the texts each stands for."
        )
        yield Section("Which sentences people are to label" if drawn else "What people say", lead, blocks)
