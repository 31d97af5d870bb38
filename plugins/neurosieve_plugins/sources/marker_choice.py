"""Which of several markers in a text is the one that the completion starts after."""

import re

from neurosieve import Assumption

__all__ = ["choose_marker", "holds_prompt"]

_AUTHOR = r"(?:assistant|model|ai|bot|response|solution|answer|output|completion|reply|reasoning)"
_LABEL = re.compile(rf"\b{_AUTHOR}\s*\**\s*:\**\s*\Z|(?:^|\n)[^\w\n]*{_AUTHOR}[^\w\n]*\n\s*\Z", re.IGNORECASE)
"""`Assistant:`, `**Solution:**`, or `### Response` on a line of its own, at the end of what stands before a marker."""
_LONGEST_LABEL = 80
_SHORTEST_PROBLEM = 15
_PROMPT_HEAD = 1000
"""Within so many characters the problem starts, if a text begins with its prompt."""


def choose_marker(text: str, marker: str, problem: str = "") -> tuple[int, tuple[Assumption, ...]]:
    """Return where the marker stands that the completion starts after, -1 for none, and what was assumed.

    A prompt may speak of the marker, and a model may repeat it. The marker that is meant stands behind the problem, if
    the text holds that; it begins the text, or stands alone on its line, or follows the problem or a label such as
    `Assistant:`. A marker within a sentence is taken only where there is no other, and several of them are doubtful.

    >>> prompt = "Write your thoughts between <think> and </think>. User: What is 1 + 1? Assistant: "
    >>> at, [assumption] = choose_marker(prompt + "<think> Two.", "<think>", problem="What is 1 + 1?")
    >>> at == len(prompt), assumption.doubtful
    (True, False)
    """
    places = [match.start() for match in re.finditer(re.escape(marker), text)]
    if not places:
        return -1, ()
    # A short name, such as a topic, may stand anywhere.
    problem_at = text.find(problem) if len(problem.strip()) >= _SHORTEST_PROBLEM else -1
    problem_end = problem_at + len(problem) if problem_at >= 0 else 0
    opening = [place for place in places if _opens(text, place, marker, problem_end)]
    behind = [place for place in opening if place >= problem_end]
    if len(places) == 1:
        # A model may repeat the problem as it thinks, so that a marker which opens something is believed.
        if opening or places[0] >= problem_end:
            return places[0], ()
        what = f"holds `{marker}` within a sentence before its problem, and nowhere else: its completion was taken to "
        return places[0], (Assumption(what + "start there", doubtful=True),)
    what = f"holds `{marker}` more than once: its completion was taken to start after the first that "
    sure = bool(problem_end) or len(opening) == 1  # Else worked examples may stand before the problem.
    if text[: places[0]].strip() == "" or (sure and behind[:1] == places[:1]):
        return places[0], (Assumption(what + "opens something, as the prompt speaks of none"),)
    if sure and behind:
        return behind[0], (Assumption(what + "stands behind the problem or a label, not in a sentence"),)
    if opening:
        return opening[0], (Assumption(what + "stands alone on its line or behind a label", doubtful=True),)
    first = next((place for place in places if place >= problem_end), places[0])
    return first, (Assumption(what + "stands behind the problem, if it is there", doubtful=True),)


def holds_prompt(text: str, problem: str) -> bool:
    """Return whether a text begins with a prompt, for its problem stands near its start, but for blanks.

    >>> holds_prompt("User: What is  3 + 4? Assistant: It is 7.", "What is 3 + 4?")
    True
    """
    problem, head = " ".join(problem.split()), " ".join(text[: _PROMPT_HEAD + 2 * len(problem)].split())
    # A short name, such as a topic, may stand anywhere.
    if len(problem) < _SHORTEST_PROBLEM and not problem.endswith(("?", ".", ":", "=", "!")):
        return False
    return 0 <= head.find(problem) <= _PROMPT_HEAD


def _opens(text: str, place: int, marker: str, problem_end: int) -> bool:
    """Return whether a marker stands where a completion starts rather than in a sentence that speaks of it."""
    before = text[max(0, place - _LONGEST_LABEL) : place]
    after = text[place + len(marker) : place + len(marker) + _LONGEST_LABEL]
    if before.strip() == "" and place <= _LONGEST_LABEL:
        return True
    alone = before.rpartition("\n")[2].strip() == "" and after.partition("\n")[0].strip() == ""
    follows = 0 < problem_end <= place and text[problem_end:place].strip() == ""
    return alone or follows or _LABEL.search(before) is not None
