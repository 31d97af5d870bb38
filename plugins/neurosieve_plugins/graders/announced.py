r"""Answers that are not boxed, as texts announce them: `#### 42`, `Answer: 42`, `The answer is \(42\).`, `**42**`."""

import re
from itertools import accumulate

__all__ = ["announced_answer", "bare"]

_NUMBER = r"[-+−–]?(?:\d[\d,.]*|\.\d+)(?:\s?/\s?\d[\d,.]*)?"
_HEAD = re.compile(
    r"""
    # As in GSM8K. A heading of four hashes holds more than a number and its unit.
    ^[ \t]*\#{4}[ \t]*(?=[$£€*\\({]*[-+−–]?[$£€]?\.?\d[^\n]{0,40}$)(?!\d+[.:)]\s*[^\W\d])
    | \banswer\b [*_`]* \s* (?:(?:to|for|of)\b[^.:\n]{1,80}?)?
      (?:\b(?:is|was|equals|(?:must|should|will|would)\sbe)\b|[:=|]) [:*_`]*
      (?:\s+(?:therefore|thus|hence|then|simply|just|indeed|now)\b)? (?!\s*not\b)
    | ^[ \t#*_]*(?:the\s+)?(?:(?:final|correct)\s+)?answer[ \t*_:]*$
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
"""What stands before an answer."""
_HEADING = re.compile(r"[ \t#*_]*(?:the\s+)?(?:(?:final|correct)\s+)?answer[ \t*_:]*", re.IGNORECASE)
_ENCLOSED = re.compile(r"\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)|\$[^$\n]+\$|\*\*[^*\n]+\*\*", re.DOTALL)
_SENTENCE_END = re.compile(r"[.!?]+(?=[\s*_)]|$)|\s(?:because|since|which|where|so)\s|[,;](?=\s+[^\W\d]{2})")
_ALONE = re.compile(rf"(?:{_ENCLOSED.pattern}|[$£€]?{_NUMBER}\s?[%°]?)[\s.]*", re.DOTALL)
_BOLD = re.compile(r"\*\*([^*\n]*\d[^*\n]*)\*\*")
_DEEPEST = 10
"""So many wrappers around an answer are opened."""
_WRAPPERS = (
    re.compile(r"\*\*(.*)\*\*|__(.*)__|`(.*)`|\"(.*)\"|“(.*)”", re.DOTALL),
    re.compile(r"\$\$(.*)\$\$|\$([^$]*)\$|\\\((.*)\\\)|\\\[(.*)\\\]", re.DOTALL),
    re.compile(r"\\{1,2}(?:boxed|fbox|text|textbf|textit|textrm|mathrm|mathbf|mbox)\s*\{(.*)\}", re.DOTALL),
)


def announced_answer(completion: str, thought_end: str) -> str:
    r"""Return the last answer that words or marks announce; "" where there is none.

    It is looked for after the thought's end, or, in a completion that ends no thought, in its last line: what a thought
    says on its way does not count. Where nothing is announced, it is what stands in bold in the last line; or the whole
    last line if that is a number or a formula, and the thought has ended.

    >>> announced_answer(r"I add. </think> The answer is 41. No: **Answer:** \(42\).", "</think>")
    '42'
    """
    closing = _closing(completion, thought_end)
    for head in reversed(list(_HEAD.finditer(closing))):
        following = closing[head.end() :].lstrip()
        answer = _value(following.partition("|")[0] if head[0].endswith("|") else following)
        if re.search(r"\w", answer):
            return answer
    last = closing.rpartition("\n")[2].strip()
    whole = thought_end in completion or closing == completion.strip()
    if _ALONE.fullmatch(last) and (whole or last.startswith("**")):
        return bare(last)
    bold = _BOLD.findall(last)
    return bare(bold[-1]) if bold else ""


def bare(answer: str) -> str:
    r"""Return an answer without the Markdown, LaTeX and full stop around it; a box in a box is opened.

    >>> bare(r"**\(\text{\boxed{\fbox{even}}}\)**.")
    'even'
    """
    for _ in range(_DEEPEST):
        before, answer = answer, answer.strip().removesuffix(".").strip()
        for wrapper in _WRAPPERS:
            if whole := wrapper.fullmatch(answer):
                inner = next((group for group in whole.groups() if group is not None), "")
                answer = inner if _is_balanced(inner) else answer
        if answer == before:
            break
    return answer


def _is_balanced(text: str) -> bool:
    """Return whether each brace that closes has been opened: else `{1} and {2}` would be in one pair of braces."""
    depths = accumulate((character == "{") - (character == "}") for character in text)
    return min(depths, default=0) >= 0


def _closing(completion: str, thought_end: str) -> str:
    """Return the text after the thought's end, or the last line, with the one above it if that is a heading."""
    _, ended, after = completion.rpartition(thought_end)
    if ended:
        return after.strip()
    lines = [line for line in completion.splitlines() if line.strip()][-2:]
    return "\n".join(lines if len(lines) == 2 and _HEADING.fullmatch(lines[0]) else lines[-1:]).strip()


def _value(text: str) -> str:
    """Return the answer that a text begins with: a formula or bold text, or else the sentence, up to a clause."""
    if enclosed := _ENCLOSED.match(text):
        return bare(enclosed[0])
    line = text.partition("\n")[0].strip()
    if line.count("**") % 2:  # Bold that began before.
        line = line.removesuffix("**")
    ends = [end.start() for end in _SENTENCE_END.finditer(line) if end.start()]
    return bare(line[: ends[0]] if ends else line)
