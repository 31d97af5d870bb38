"""What `detect look=3` shows of the first records: whose words, what was guessed, what was skipped, spans."""

import io

import pytest
from rich.console import Console

import neurosieve
from neurosieve import Assumption, ConfigError, DataError, Document, Passage, Skipped
from neurosieve.cli import main
from neurosieve.terminal.look import show_understood
from neurosieve.texts.spans import detect_first
from neurosieve_plugins.detectors.metadata import Metadata
from neurosieve_plugins.detectors.regex import Regex

TEXT = "What is 3 + 4?\x1b[31m<a>It is 8. Wait, it is 7.</a>Seven."
CHAT = Document(
    "chat 1",
    TEXT,
    "a sum",
    passages=(
        Passage(0, TEXT.index("<a>"), "user"),
        Passage(TEXT.index("It"), TEXT.index("</a>"), "thought"),
        Passage(TEXT.index("Seven"), len(TEXT), "answer"),
    ),
    assumptions=(Assumption("the thought ends at </a>"), Assumption("the rest is the answer", doubtful=True)),
)
DETECTORS = {"waits": Regex(("wait",))}


def printed(items, number=3, **options):
    out = io.StringIO()
    show_understood(list(detect_first(items, DETECTORS, number)), Console(file=out, width=1000, **options))
    return out.getvalue()


def test_passages_guesses_and_spans_are_told_in_plain_text():
    assert printed([Skipped("record 1", "it is blank"), CHAT]).splitlines() == [
        "skipped record 1: it is blank",
        "",
        "document chat 1",
        "  group: a sum",
        "  what the model wrote starts at 22 of 55 characters",
        "  assumed: the thought ends at </a>",
        "  assumed: the rest is the answer (doubtful)",
        "  waits: 1 span",
        "    31 to 35: Wait (wait)",
        "  [user 0 to 19] What is 3 + 4?␛[31m",
        "  [nobody 19 to 22] <a>",
        "  [thought 22 to 45] It is 8. Wait, it is 7.",
        "  [nobody 45 to 49] </a>",
        "  [answer 49 to 55] Seven.",
        "",
    ]


def test_roles_have_colours_on_a_terminal_and_no_character_of_a_text_is_obeyed():
    shown = printed([CHAT], force_terminal=True, color_system="standard", highlight=False)
    assert "\x1b[36mIt is 8. \x1b[0m\x1b[7;36mWait\x1b[0m" in shown
    assert "\x1b[32mSeven.\x1b[0m" in shown
    assert "\x1b[31m" not in shown


def test_a_document_without_passages_has_a_prompt_and_a_completion():
    shown = printed([Document("d", "Is it 7? It is 7.", "g", 9)])
    assert "  [prompt 0 to 9] Is it 7? \n  [completion 9 to 17] It is 7.\n" in shown


def test_long_passages_lose_their_middle_and_many_passages_those_in_the_middle():
    shown = printed([Document("d", "a" * 5000 + "z", "g")])
    assert "a" * 300 + " … 4,401 characters … " + "a" * 299 + "z\n" in shown
    many = Document("d", "ab" * 50, "g", passages=tuple(Passage(n, n + 1, "answer") for n in range(100)))
    shown = printed([many])
    assert "… 88 further parts …" in shown
    assert shown.count("[answer") == 12


def test_it_stops_after_the_documents_or_where_a_source_skips_and_skips():
    def endless(item):
        while True:
            yield item

    assert printed(endless(CHAT), 2).count("document chat 1") == 2
    assert printed(endless(Skipped("a record", "blank")), 2).count("skipped") == 20
    with pytest.raises(DataError, match="the source gave no document"):
        printed([])


def test_the_command_line_looks_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["detect", "look=2"])
    shown = capsys.readouterr().out
    assert shown.count("\ndocument ") + shown.startswith("document ") == 2
    assert "[completion 239 to 490]" in shown
    assert "\x1b" not in shown
    assert not list(tmp_path.iterdir())
    with pytest.raises(SystemExit, match="2"):
        main(["detect", "look=-1"])
    assert "look is -1: give a whole number, at least 0" in capsys.readouterr().err


def test_in_python_it_prints_and_returns_what_was_understood(capsys, tmp_path):
    [found] = neurosieve.look([CHAT], DETECTORS)
    assert found.document == CHAT
    assert [span[:2] for span in found.spans["waits"]] == [(31, 35)]
    assert "[thought 22 to 45]" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"call `neurosieve.look\(source, detectors"):
        neurosieve.detect([CHAT], DETECTORS, look=3, folder=tmp_path / "run")
    with pytest.raises(ConfigError, match="documents is 0"):
        neurosieve.look([CHAT], DETECTORS, documents=0)


BAD = {"bad": Metadata("label", values=("bad",), against=("good",))}


def labelled(*labels):
    for number, label in enumerate(labels):
        yield Document(
            f"d{number}", "Lyon.", str(number), metadata=label if isinstance(label, dict) else {"label": label}
        )


def test_of_whole_texts_it_is_told_how_each_is_labelled_and_how_many_are(capsys):
    assert len(neurosieve.look(labelled("bad", "good", None, {}, "good", "good"), BAD, documents=4)) == 4
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "bad:" in line] == [
        "  bad: shows (bad)",
        "  bad: does not show",
        "  bad: not known (`label` is null)",
        "  bad: not known (it has no `label`)",
        "bad: of 6 documents 1 shows it, 3 do not, of 2 it is not known (1: `label` is null; 1: it has no `label`)",
    ]


def test_settings_that_fit_no_text_are_an_error_once_the_texts_were_shown(capsys):
    with pytest.raises(
        DataError, match=r"`bad` cannot be looked for: none of 2 documents has the field `label`.*`lable`"
    ):
        neurosieve.look(labelled({"lable": "bad"}, {"lable": "good"}), BAD, documents=1)
    assert "bad: not known (it has no `label`)" in capsys.readouterr().out


def test_the_first_of_very_many_texts_are_labelled_and_one_kind_among_them_is_no_error(capsys):
    def endless():
        while True:
            yield from labelled("good")

    [_] = neurosieve.look(endless(), BAD, documents=1)
    *_, totals, note = capsys.readouterr().out.splitlines()
    assert totals == "bad: of the first 1,000 documents 0 show it, 1,000 do not"
    assert note.startswith(
        "of the first 1,000 documents alone: `bad` cannot be looked for: none of 1,000 documents has"
    )
