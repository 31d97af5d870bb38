r"""Compare answers as mathematics, in a process of its own: `python mathematics.py`, asked and answering in JSON lines.

What is asked is `{"right": ["\\frac12"], "given": "0.5"}`, or `{"right": [...], "closing": "The answer is 0.5."}` where
no answer was boxed. What is answered has `right`, `answer` and `reason`, as a verdict does.
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
    percent = "%" if number != bare else ""  # The library reads it behind a formula, and not within.
    latex = [LatexExtractionConfig(boxed_match_priority=-1)]
    found = parse(f"$${number}$${percent}", latex, fallback_mode="no_fallback", parsing_timeout=None)
    return list(found)


def _announced(closing: str) -> tuple[list[Any], str]:
    """Return the answer that words such as "the answer is" announce, as SymPy has it and as it is written."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    announced = [
        LatexExtractionConfig(try_extract_without_anchor=False, boxed_match_priority=-1),
        ExprExtractionConfig(try_extract_without_anchor=False),
    ]
    found = parse(closing, announced, parsing_timeout=None)
    return [one for one in found if not isinstance(one, str)], next((one for one in found if isinstance(one, str)), "")


def _verdict(asked: dict[str, Any]) -> dict[str, Any]:
    from math_verify import verify

    answer = asked.get("given")
    if answer is not None:
        given = _read(answer)
    else:
        given, answer = _announced(asked["closing"])
        if not given and not answer:
            return {"right": False, "answer": "", "reason": ""}
    right = [one for truth in asked["right"] for one in _read(truth)]
    for what, read, written in (("the right answer", right, asked["right"][0]), ("the answer", given, answer)):
        if not read:
            return {"right": None, "answer": answer, "reason": f"{what} `{written:.80}` cannot be read as mathematics"}
    same = bool(verify(right, given, timeout_seconds=None, raise_on_error=True))
    return {"right": same, "answer": answer, "reason": ""}


def _main() -> None:
    replies, sys.stdout = sys.stdout, sys.stderr  # Whatever a library prints is no reply.
    import math_verify  # noqa: F401

    print("ready", file=replies, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            reply = _verdict(asked)
        except Exception as error:
            # Whatever fails in the library is a verdict that could not be given, and its reason.
            reason = f"the comparison failed ({type(error).__name__}: {error})"
            reply = {"right": None, "answer": asked.get("given") or "", "reason": reason}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    _main()
