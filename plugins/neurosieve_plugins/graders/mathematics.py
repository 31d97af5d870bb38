r"""Compare answers as mathematics, in a process of its own: `python mathematics.py` reads and writes JSON lines.

A question is `{"right": ["\\frac12"], "given": "0.5", "announced": false}`; an announced answer, which was not boxed,
may be a few words around the mathematics. A reply has `right` and `reason`, as a verdict does.
"""

import json
import re
import sys
from typing import Any

__all__: list[str] = []


def _read(answer: str) -> list[Any]:
    """Return an answer as SymPy has it, in a list; an empty one where it cannot be read."""
    from math_verify import LatexExtractionConfig, parse

    bare = re.sub(r"(?<!\\)\$", "", answer).strip()
    number = re.sub(r"\\?%$", "", bare)
    percent = "%" if number != bare else ""  # The library reads it after a formula, and not within.
    latex = [LatexExtractionConfig(boxed_match_priority=-1)]
    return list(parse(f"$${number}$${percent}", latex, fallback_mode="no_fallback", parsing_timeout=None))


def _in_words(answer: str) -> list[Any]:
    """Return an announced answer as SymPy has it: where it is not mathematics as a whole, what is in its words."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    found = [LatexExtractionConfig(boxed_match_priority=-1), ExprExtractionConfig()]
    return [part for part in parse(answer, found, parsing_timeout=None) if not isinstance(part, str)]


def _verdict(question: dict[str, Any]) -> dict[str, Any]:
    from math_verify import verify

    answer = question["given"]
    given = (_in_words(answer) if question["announced"] else []) or _read(answer)
    right = [part for truth in question["right"] for part in _read(truth)]
    for what, read, written in (("the right answer", right, question["right"][0]), ("the answer", given, answer)):
        if not read:
            return {"right": None, "reason": f"{what} `{written:.80}` cannot be read as mathematics"}
    same = bool(verify(right, given, timeout_seconds=None, raise_on_error=True))
    return {"right": same, "reason": ""}


def _main() -> None:
    replies, sys.stdout = sys.stdout, sys.stderr  # Whatever a library prints must not be taken for a reply.
    import math_verify  # noqa: F401

    print("ready", file=replies, flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        try:
            reply = _verdict(question)
        except Exception as error:
            # Whatever fails in the library is a verdict that could not be given, and its reason.
            reason = f"the comparison failed ({type(error).__name__}: {error})"
            reply = {"right": None, "reason": reason}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    _main()
