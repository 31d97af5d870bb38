"""Whose words a text's are, by the marks in it."""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from neurosieve import Assumption, ConfigError, Document, Passage
from neurosieve_plugins.sources.marker_choice import choose_marker, holds_prompt
from neurosieve_plugins.sources.thought_marks import (
    FAMILIES,
    MarkerFamily,
    ThoughtMarks,
    family_in,
    model_passages,
    with_answers,
)
from neurosieve_plugins.sources.turn_marks import TemplateName, Turn, template_in, turns_of

__all__ = ["Authorship", "TurnMarks", "Words", "lacks_marker"]

TurnMarks = Literal[TemplateName, "any"]
_WHOLE = "the whole text was taken as the model's"
_LONGEST_LEAD = 80
"""So many characters may stand before the problem of a text that begins with it, such as `User:`."""
_HARMONY_WITHOUT_MARKS = re.compile(r"\s*analysis.*assistant\s*final", re.DOTALL)


class Words(NamedTuple):
    """Whose words a text's are."""

    completion_start: int
    passages: tuple[Passage, ...]
    """Empty where no more is known than where the completion starts."""
    assumptions: tuple[Assumption, ...]


@dataclass(frozen=True)
class Authorship:
    """Settings that say by which marks a text is parted."""

    completion_marker: str | None
    thought_end: str | None = None
    markers: MarkerFamily | None = None
    turn_marks: TurnMarks | None = "any"

    def __post_init__(self) -> None:
        if self.thought_end is not None and self.completion_marker is None:
            raise ConfigError("`thought_end` is given without `completion_marker`: give what the thought starts with")
        if self.markers == "harmony" and self.turn_marks not in ("any", "harmony"):
            raise ConfigError(f"`markers` is harmony and `turn_marks` is {self.turn_marks}: leave one of them out")

    def words_of(self, text: str, known_start: int | None = None, declared: bool = False, problem: str = "") -> Words:
        """Return whose words a text's are.

        Args:
            known_start: where the completion starts, if the record says so: behind a prompt of its own, or `declared`
                to the character.
            problem: what the text's prompt holds, if that is known.

        >>> words = Authorship("<think>").words_of("1 + 1? <think> So 2. </think> Two.")
        >>> words.completion_start, words.passages[-1]
        (14, Passage(start=29, end=34, role='answer'))
        """
        template, assumptions = self._template(text)
        if template is not None:
            return self._by_turns(text, template, known_start, assumptions)
        if known_start is None:
            return self._by_marker(text, problem)
        inside = self._ends_in_marker(text[:known_start])
        model, assumptions = self._model_passages(text, known_start, len(text), inside)
        if declared and model:
            model[0] = model[0]._replace(start=known_start)
        if [passage.role for passage in model] == ["completion"] or not model:
            return Words(model[0].start if model else known_start, (), ())
        prompt = [Passage(0, known_start, "user")] if known_start else []
        return Words(model[0].start, with_answers(prompt + model), tuple(assumptions))

    @property
    def _marks(self) -> ThoughtMarks | None:
        """What thoughts stand between."""
        if self.markers is not None:
            return FAMILIES.get(self.markers)
        if self.completion_marker is None:
            return None
        known = {marks.start: marks.end for marks in FAMILIES.values()}
        return ThoughtMarks(self.completion_marker, self.thought_end or known.get(self.completion_marker))

    def _template(self, text: str) -> tuple[str | None, list[Assumption]]:
        """Return the chat template whose marks part a text, and what was assumed."""
        if self.turn_marks is None:
            return None, []
        set_by_name = "harmony" if self.markers == "harmony" else self.turn_marks if self.turn_marks != "any" else None
        if set_by_name is not None:
            return (set_by_name if turns_of(text, set_by_name) else None), []
        template = template_in(text)
        if template is None or self._opens_before(text, turns_of(text, template)[0].start):
            return None, []
        what = (
            f"its turns were told apart by the marks of the chat template {template}, as `turn_marks={template}` does"
        )
        if template == "harmony":
            marker = "" if self._marks is None else f"holds no `{self._marks.start}`: "
            what = marker + "its thoughts and answers were told apart by harmony's channels, as `markers=harmony` does"
        return template, [Assumption(what)]

    def _opens_before(self, text: str, start: int) -> bool:
        """Return whether the completion has started before the first turn, whose marks are then the model's words."""
        if self._marks is None:
            return False
        place, assumptions = choose_marker(text, self._marks.start)
        return 0 <= place < start and not any(assumption.doubtful for assumption in assumptions)

    def _by_turns(self, text: str, template: str, known_start: int | None, assumptions: list[Assumption]) -> Words:
        """Return whose words a text's are by the marks of a chat template."""
        turns = turns_of(text, template)
        if known_start is not None:
            # What stands there is the model's, also where it imitates another's turn.
            before = [turn for turn in turns if turn.start < known_start and turn.author != "assistant"]
            before = [turn._replace(end=min(turn.end, known_start)) for turn in before]
            own = [turn for turn in turns if turn.start >= known_start and turn.channel]
            turns = before + (own or [Turn(known_start, len(text), "assistant")])
        passages: list[Passage] = []
        for turn in turns:
            if not text[turn.start : turn.end].strip():
                continue
            if turn.author != "assistant":
                passages.append(Passage(turn.start, turn.end, turn.author))
            elif turn.channel:
                role: Literal["thought", "answer", "completion"] = (
                    "thought" if turn.channel.startswith("analysis") else "completion"
                )
                passages.append(Passage(turn.start, turn.end, "answer" if turn.channel == "final" else role))
            else:
                inside = self._ends_in_marker(text[: turn.start])
                own_passages, guessed = self._model_passages(text, turn.start, turn.end, inside)
                passages += own_passages
                assumptions = assumptions + [guess for guess in guessed if guess not in assumptions]
        starts = [passage.start for passage in passages if passage.role in ("thought", "answer", "completion")]
        start = starts[0] if starts else len(text)
        channels = any(turn.channel for turn in turns)
        return Words(start, tuple(passages) if channels else with_answers(passages), tuple(assumptions))

    def _by_marker(self, text: str, problem: str) -> Words:
        """Return whose words a text's are by the marker that its completion starts after."""
        marks = self._marks
        if self.markers == "harmony":
            return Words(0, (), (_whole_text("`<|message|>` of harmony", text, problem),))
        if marks is None:
            return Words(0, (), ())
        place, assumptions = choose_marker(text, marks.start, problem)
        if place < 0:
            model, guessed = self._model_passages(text, 0, len(text))
            if guessed:  # It starts inside a thought, so that the whole of it is the model's, unless a prompt leads.
                if holds_prompt(text[: min(len(problem) + _LONGEST_LEAD, model[0].end)], problem):
                    what = (
                        f"{guessed[0].what}, at the problem; set `source.completion_marker` to what stands before the "
                        "thought"
                    )
                    guessed = [Assumption(what, doubtful=True)]
                return Words(0, with_answers(model), tuple(guessed))
            return Words(0, (), (_whole_text(f"`{marks.start}`", text, problem),))
        start = place + len(marks.start)
        model, guessed = self._model_passages(text, start, len(text), inside=True)
        prompt = [Passage(0, place, "user")] if place else []
        if marks.end is None:
            return Words(start, (), assumptions)
        return Words(start, with_answers(prompt + model), (*assumptions, *guessed))

    def _ends_in_marker(self, before: str) -> bool:
        marks = self._marks
        return marks is not None and before.rstrip().endswith(marks.start)

    def _model_passages(
        self, text: str, start: int, end: int, inside: bool = False
    ) -> tuple[list[Passage], list[Assumption]]:
        if self._marks is None:
            return [Passage(start, end, "completion")], []
        return model_passages(text, start, end, self._marks, inside)


def lacks_marker(document: Document) -> bool:
    """Return whether nothing said where the completion of a document starts, so that its whole text was taken."""
    return any(_WHOLE in assumption.what for assumption in document.assumptions)


def _whole_text(missing: str, text: str, problem: str) -> Assumption:
    """Return the guess that a text is the model's, all of it: doubtful where it holds a prompt, for it has its problem.

    >>> _whole_text("`<think>`", "What is 3 + 4? It is 7.", "What is 3 + 4?").doubtful
    True
    """
    doubtful = holds_prompt(text, problem)
    why = ", and its text holds its problem" if doubtful else ""
    return Assumption(f"holds no {missing}{why}: {_WHOLE}{_other_marks(text, doubtful)}", doubtful)


def _other_marks(text: str, doubtful: bool) -> str:
    """Return which setting fits the marks that a text holds, as the end of a sentence."""
    if family := family_in(text):
        return f"; it holds `{FAMILIES[family].start}`: set `source.markers={family}`"
    if _HARMONY_WITHOUT_MARKS.match(text):
        return (
            "; it looks like harmony without its special tokens: keep them as you decode, and set "
            "`source.markers=harmony`"
        )
    if doubtful:
        return (
            "; set `source.completion_marker` to what stands before the completion, or to null if the model wrote all "
            "of it"
        )
    return "; if it is, set `source.completion_marker=null`"
