"""What Hydra does not read is answered with how to write it."""

import re
import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from messages import message_of


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("detectors.hallucinated.values=[галлюцинация]", ["галлюцинация"]),
        ("detectors.hallucinated.values=[ok,не знаю]", ["не знаю"]),
        ("source.path=ответы.jsonl", "ответы.jsonl"),
        ("detectors.hallucinated.values=[幻觉]", ["幻觉"]),
    ],
)
def test_letters_outside_ascii_are_named_and_the_quotes_that_are_shown_are_right(capsys, override, value):
    message = message_of(capsys, "detect", "source=chat", "detectors=[hallucinated]", override, "look=1")
    assert "letters or signs outside ASCII" in message
    [shown] = shlex.split(re.search("as in (.*)", message)[1])
    assert OverridesParser.create().parse_override(shown).value() == value


def test_an_equals_sign_is_named_where_all_letters_are_quoted(capsys):
    message = message_of(capsys, "detect", "detectors=[hallucinated]", "detectors.hallucinated.values=['né',a=b]")
    assert "quote a value that holds `=`, commas or brackets twice" in message
