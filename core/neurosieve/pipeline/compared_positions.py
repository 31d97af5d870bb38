"""The positions of a run: chosen, without what its null cannot compare, and with as many controls as are asked for."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from neurosieve.contracts import Control
from neurosieve.evidence.exchange import null_of
from neurosieve.evidence.null_notes import null_notes
from neurosieve.evidence.settings import Evidence
from neurosieve.texts.positions import Positions
from neurosieve.texts.selection import choose_positions
from neurosieve.texts.settings import Selection
from neurosieve.texts.tokens import LabelledDocument
from neurosieve.texts.units.comparable import comparable
from neurosieve.texts.units.drawn_controls import drawn_controls, drawn_controls_notes

__all__ = ["ComparedPositions", "compared_positions"]


class ComparedPositions(NamedTuple):
    """The positions of a run, and what they were before some were left out."""

    chosen: Positions
    """All that can be read."""
    comparable: Positions
    """Those that the null can exchange labels among."""
    drawn: Positions
    """Of these, all present ones and as many controls as are asked for."""

    def notes(self, selection: Selection, settings: Evidence) -> list[str]:
        """Return which null was taken, and how many were left out for it or were not drawn."""
        null = null_notes(self.chosen, self.drawn, settings)
        return null + drawn_controls_notes(self.comparable, self.drawn, selection)


def compared_positions(
    documents: Sequence[LabelledDocument],
    behaviours: Sequence[str],
    control: Control,
    selection: Selection,
    settings: Evidence,
    counts: Counter[str],
) -> ComparedPositions:
    """Return the positions that are compared; what was left out, and why, is added to `counts`.

    Raises:
        DataError: a behaviour shows nowhere, or there is nothing to compare it with.
        ConfigError: the settings ask for what the texts or the units cannot give.
    """
    chosen = choose_positions(documents, behaviours, control, selection, settings.seed, counts)
    null = null_of(settings, chosen.unit)
    within = comparable(chosen, null, settings.strata, counts)
    return ComparedPositions(chosen, within, drawn_controls(within, selection, null, settings.strata, counts))
