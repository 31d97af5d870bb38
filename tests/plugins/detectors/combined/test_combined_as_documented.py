"""The page about detectors made of detectors: its commands run, its preset is the one that comes with neurosieve."""

import json
import re
import shlex
from pathlib import Path

import pytest
import regex
import yaml
from hydra import compose, initialize_config_module

from neurosieve import Document, sentences
from neurosieve.cli import main
from neurosieve.config.configuration import CONF, build, publish

ROOT = Path(__file__).parents[4]
SECTION = (ROOT / "docs" / "detectors.md").read_text("utf-8").partition("## Detectors made of detectors")[2]
SECTION = re.split(r"^## ", SECTION, flags=re.MULTILINE)[0]
COMMANDS = [
    line for block in re.findall(r"```bash\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines() if line
]
SHARED = ROOT.parent / "shared" / "data" / "thought_anchors" / "labelled_spans.jsonl"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    name, *arguments = shlex.split(command)
    assert name == "neurosieve"
    main([*arguments, "source.documents=20", "contexts=0", "reports=[]", f"hydra.run.dir={tmp_path / 'run'}"])
    behaviours = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))["behaviours"]
    assert behaviours
    assert all(f"{behaviour}: " in capsys.readouterr().out for behaviour in behaviours[:1])


def test_the_preset_of_the_page_is_the_one_that_comes_with_neurosieve():
    [shown] = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
    shipped = (ROOT / "conf" / "neurosieve_conf" / "detectors" / "wait_before_equation.yaml").read_text("utf-8")
    assert yaml.safe_load(shown) == yaml.safe_load(shipped)
    assert shown.splitlines()[0] == shipped.splitlines()[0]


def test_the_python_of_the_page_runs():
    [code] = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    assert [*names["doubt_before_sum"].detect(Document("a", "Wait. So x = 9.", "a"))]  # type: ignore[attr-defined]


def preset(name: str, **fields: object):
    publish({})
    with initialize_config_module(CONF, version_base="1.3"):
        config = compose(
            overrides=[f"+detectors={name}", *(f"detectors.{name}.{key}={value}" for key, value in fields.items())]
        )
        return build(config.detectors[name], "detector", f"detectors.{name}")


def found(detector, text: str) -> list[str]:
    return [text[span.start : span.end] for span in detector.detect(Document("a", text, "a"))]


def test_wait_is_found_near_before_an_equation_and_not_in_a_quotation():
    detector = preset("wait_before_equation")
    assert found(detector, "Wait, I am not sure. Let me see what that is. So I get x = 3.") == ["Wait"]
    assert (
        found(detector, "Wait, no. I am not sure of it. Let me see what that is. I try it again. So I get x = 3.") == []
    )
    assert found(detector, "So I get x = 3. Wait, that is no good.") == []
    assert found(detector, 'The sign says "wait here". So x = 3.') == []
    assert found(detector, "It awaited x = 3.") == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("equation", r"So \(x^2 = 9\), and a=b; but x >= 3, a == b and a != b.", [r"\(x^2 = 9\)", "a=b"]),
        ("equation", "Then\n= 4 is no equation, nor is x =\n", []),
        ("equation", "所以，x=3。", ["x=3"]),
        ("quotation", 'He said "no" and “yes” and «peut-être».', ['"no"', "“yes”", "«peut-être»"]),
        ("quotation", "It's a 5\" pipe.\n> quoted\nDon't.", ["> quoted"]),
    ],
)
def test_equations_and_quotations(name: str, text: str, expected: list[str]):
    assert found(preset(name), text) == expected


@pytest.mark.parametrize("name", ["equation", "quotation"])
@pytest.mark.parametrize("piece", ["x", "a=", '"', "“", "= ", " \t", "\n>", "é,"])
def test_no_text_takes_long(name: str, piece: str):
    # The detector stops a pattern that takes more than a second.
    list(preset(name).detect(Document("a", piece * (100_000 // len(piece)), "a")))


@pytest.mark.skipif(not SHARED.is_file(), reason="the data is not beside the project")
def test_on_real_chains_of_thought_it_finds_what_a_plain_reading_of_the_sentence_finds():
    equation, quoted = preset("equation").patterns[0], "|".join(preset("quotation").patterns[:-1])
    detector, total = preset("wait_before_equation"), 0
    for record in map(json.loads, SHARED.read_text("utf-8").splitlines()):
        text = record["text"]
        bounds = sentences(text)
        quotations = [match.span() for match in regex.finditer(quoted, text)]
        equations = [match.start() for match in regex.finditer(equation, text)]
        expected = []
        for match in regex.finditer(r"(?i)\bwait\b", text):
            its_own = max(number for number, (start, _) in enumerate(bounds) if start <= match.start())
            behind = bounds[min(its_own + 2, len(bounds) - 1)][1]
            in_quotation = any(start < match.end() and match.start() < end for start, end in quotations)
            if not in_quotation and any(match.end() <= start < behind for start in equations):
                expected.append(match.span())
        document = Document(record["trace_id"], text, "a")
        assert [(span.start, span.end) for span in detector.detect(document)] == expected
        total += len(expected)
    assert total == 218
