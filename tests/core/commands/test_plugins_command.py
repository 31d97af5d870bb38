import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from neurosieve import ConfigError, DataError, Detector, Document, Source, Span, hookimpl
from neurosieve.commands import check, plugins
from neurosieve.registry import Registry, installed


@dataclass(frozen=True)
class Shouting(Detector):
    """Words in [bold]capitals[/bold], however long they are, whatever they say, in all languages with such letters."""

    letters: int

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield the whole text, or a bit more."""
        yield Span(0, len(document.text) + self.letters)


@dataclass(frozen=True)
class Loud(Source):
    """A shout."""

    def __iter__(self) -> Iterator[Document]:
        yield Document("a", "WAIT", "a")


class Package:
    """A plugin package, with a detector and a source of one name."""

    @hookimpl
    def register_detectors(self) -> dict[str, type[Detector]]:
        return {"shouting": Shouting}

    @hookimpl
    def register_sources(self) -> dict[str, type[Source]]:
        return {"shouting": Loud}


@pytest.fixture
def with_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plug a package in beside those installed."""
    import neurosieve_plugins

    registry = Registry({"neurosieve": neurosieve_plugins, "neurosieve-shouting": Package()})
    monkeypatch.setattr("neurosieve.registry.installed", lambda: registry)


@pytest.mark.usefixtures("with_package")
def test_plugins_are_listed_with_kind_name_origin_and_help_in_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    plugins.main([])
    lines = capsys.readouterr().out.splitlines()
    [line] = [line for line in lines if "neurosieve-shouting" in line and "detector" in line]
    assert [cell.strip() for cell in line.strip("│ ").split("│")] == [
        "detector",
        "shouting",
        "neurosieve-shouting",
        (Shouting.__doc__ or ""),
    ]


def test_every_installed_plugin_is_listed_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    plugins.main(["--json"])
    listed = json.loads(capsys.readouterr().out)
    assert [(row["kind"], row["name"]) for row in listed] == [(plugin.kind, plugin.name) for plugin in installed()]
    assert {"kind": "control", "name": "distant", "origin": "neurosieve"}.items() <= listed[
        [row["name"] for row in listed].index("distant")
    ].items()
    assert all(row["help"] and "…" not in row["help"] for row in listed)


@pytest.mark.parametrize("command", [plugins, check])
def test_the_commands_explain_themselves(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    name = command.__name__.rpartition(".")[2]
    assert f"\n  neurosieve {name} " in capsys.readouterr().out


def test_a_plugin_that_keeps_its_contract_gets_a_verdict_for_each_promise(capsys: pytest.CaptureFixture[str]) -> None:
    check.main(["control/matched", "tolerance=0.2", "tokens=3"])
    *verdicts, last = capsys.readouterr().out.splitlines()
    assert "kept    it chooses usable tokens outside the spans" in verdicts
    assert all(verdict.startswith("kept") for verdict in verdicts)
    assert last == f"the control Matched(tolerance=0.2, tokens=3, same_kind=True) keeps all {len(verdicts)} promises"


@pytest.mark.usefixtures("with_package")
def test_a_plugin_that_breaks_its_contract_ends_with_code_1_and_what_broke(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        check.main(["detector/shouting", "letters=2"])
    assert ended.value.code == 1
    out = capsys.readouterr().out
    assert "broken  spans lie in the text\n        Shouting(letters=2) yields Span(start=0, end=2, label='')" in out
    assert "kept    order and history do not matter" in out
    assert out.splitlines()[-1] == "the detector Shouting(letters=2) breaks 1 of 10 promises"


def test_whatever_a_plugin_raises_is_a_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def it_works(plugin: object) -> None:
        raise ZeroDivisionError("by [red]zero")

    monkeypatch.setattr("neurosieve.testing.CHECKS", {"scorer": (it_works,)})
    with pytest.raises(SystemExit):
        check.main(["auc"])
    assert "broken  it works\n        ZeroDivisionError: by [red]zero" in capsys.readouterr().out


def test_fields_are_read_as_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    check.main(["regex", r"patterns=['\bwait\b', 'no']", "ignore_case=false", "seconds=60.0"])
    assert "the detector Regex(patterns=('\\\\bwait\\\\b', 'no'), ignore_case=False" in capsys.readouterr().out


@pytest.mark.usefixtures("with_package")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shooting"], "there is no plugin `shooting`: did you mean `shouting`"),
        (["scorer/shouting"], "there is no plugin `scorer/shouting`: did you mean"),
        (["shouting"], "there are `source/shouting` and `detector/shouting`: say which"),
        (["detector/shouting"], "`detector/shouting` has no default for `letters`: add `letters=<value>`"),
        (["distant", "token=3"], "`distant` has no field `token`: did you mean `tokens`?"),
        (["distant", "tokens"], "`tokens` sets no field: write `field=value`"),
        (["regex", "patterns=['a"], "a value is not YAML: while scanning a quoted scalar"),
        (["distant", "tokens=0"], "`tokens` of the control `distant` is 0"),
    ],
)
def test_a_request_that_makes_no_sense_says_what_to_do(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check.main(arguments)
    assert message in str(caught.value)


def test_a_source_without_its_file_is_a_mistake_and_no_verdict() -> None:
    with pytest.raises(DataError, match="cannot read `/nowhere`: there is no such file"):
        check.main(["traces", "path=/nowhere"])
