"""Phrases that a list misses: proposed by half of the groups, measured on the other."""

import io
import itertools
import random
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from rich.console import Console

from neurosieve import Detector, Document, Run, Span, detect, load
from neurosieve.cli import main
from neurosieve.detection.suggestion.mended_preset import MendedPreset, write_preset
from neurosieve.detection.suggestion.proposed_phrases import Suggest, choose_phrases, proposing_groups
from neurosieve.errors import ConfigError, DataError
from neurosieve.terminal.finished_run import show_run
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.detectors.regex import Regex

WAIT = Phrases(("wait",))
PLAIN = [
    "So the sum is even, and we go on.",
    "We hold the two numbers in mind.",
    "The product was then odd.",
    "Now the rest is easy to see, it is even.",
]
DOUBT = ["Wait, the sum was odd.", "Hold on a second, it is odd.", "Hold on, the product is even."]


def annotated(name, *sentences, group=None):
    """A document of sentences, each given with its label."""
    text, spans = "", []
    for sentence, label in sentences:
        spans.append(Span(len(text), len(text) + len(sentence), label))
        text += f"{sentence} "
    return Document(name, text, group or name, 0, tuple(spans))


def planted(documents=24, seed=0, doubt=DOUBT, plain=PLAIN):
    """Documents in which the list `wait` finds a third of the doubt, and `hold on` the rest."""
    draw = random.Random(seed)
    return [
        annotated(
            f"d{number}",
            *((draw.choice(plain), "work") for _ in range(6)),
            *((draw.choice(doubt), "doubt") for _ in range(3)),
        )
        for number in range(documents)
    ]


@pytest.fixture
def go(tmp_path):
    numbers = itertools.count()

    def go(source=None, detectors=None, suggest="phrases", **settings) -> Run:
        settings = {"reports": (), "labels": ("doubt",), "interval_bootstraps": 50} | settings
        folder = tmp_path / f"run {next(numbers)}"
        return detect(source or planted(), detectors or {"wait": WAIT}, suggest=suggest, folder=folder, **settings)

    return go


def printed(run: Run, width=200) -> str:
    out = Console(file=io.StringIO(), width=width)
    show_run(run, out)
    return out.file.getvalue()


def heldout(documents, seed=0):
    half = proposing_groups((document.group for document in documents), seed)
    return [document for document in documents if document.group not in half]


def test_a_planted_phrase_is_proposed_and_found_again_on_the_held_out_half(go):
    run = go()
    suggestions = run.table("suggestions")
    assert suggestions.phrase.tolist() == ["hold on"]
    [row] = suggestions.to_dict("records")
    assert row["heldout_precision"] == 1
    first, last = run.table("mended").to_dict("records")
    assert first["phrases"] == 0
    assert last["phrases"] == 1
    assert first["recall"] < 0.5
    assert (last["precision"], last["recall"], last["f1"]) == (1, 1, 1)
    assert row["heldout_recall_gained"] == pytest.approx(last["recall"] - first["recall"])
    assert "hold on" in printed(run)


def test_the_held_out_half_has_no_part_in_what_is_proposed(go):
    documents = planted()
    kept = {document.id for document in heldout(documents)}
    others = planted(seed=7, doubt=["I misread the task here."], plain=["Hold on to the sum.", "It is odd, hold on."])
    mixed = [other if other.id in kept else document for document, other in zip(documents, others, strict=True)]
    columns = ["phrase", "z", "in_missed", "in_others", "groups"]
    before, after = go(documents), go(mixed)
    pd.testing.assert_frame_equal(before.table("suggestions")[columns], after.table("suggestions")[columns])
    # And what it is worth there is told: nothing.
    assert after.table("suggestions").heldout_precision.tolist() == [0]
    assert after.table("mended").precision.tolist()[-1] == 0


@given(st.lists(st.text(max_size=5), unique=True, min_size=1), st.integers(0, 9), st.randoms())
def test_the_names_of_the_groups_and_the_seed_alone_say_which_half_proposes(groups, seed, order):
    half = proposing_groups(groups, seed)
    again = [*groups, groups[0]]
    order.shuffle(again)
    assert half == proposing_groups(again, seed) <= set(groups)
    assert 0 <= 2 * len(half) - len(groups) <= 1


def test_what_holds_a_suggested_phrase_and_adds_nothing_is_left_out(go):
    doubt = ["Hmm, maybe the sum is even.", "Hmm, maybe we go on.", "Hmm, it is even.", "Perhaps it is even."]
    phrases = go(planted(40, doubt=doubt)).table("suggestions").phrase.tolist()
    assert {"hmm", "perhaps"} <= set(phrases)
    assert not [(one, other) for one, other in itertools.permutations(phrases, 2) if one in other]


def test_words_of_one_problem_are_not_proposed(go):
    documents = planted(doubt=DOUBT[:1])
    group = min(proposing_groups((document.group for document in documents), 0))
    gorillas = [
        annotated(f"g{number}", ("The gorilla is even.", "doubt"), ("So it is.", "work"), group=group)
        for number in range(9)
    ]
    run = go([*documents, *gorillas])
    assert not run.table("suggestions").phrase.str.contains("gorilla").any()
    by_one = go([*documents, *gorillas], suggest={"detector": "phrases", "min_groups": 1})
    assert by_one.table("suggestions").phrase.str.contains("gorilla").any()


def test_a_phrase_that_marks_other_sentences_too_is_not_proposed(go):
    # No five words tell the doubt from the rest.
    documents = planted(
        40,
        doubt=["Wait, it is even.", "But then the sum is even."],
        plain=["And then the sum is even.", "But then the sum is odd.", "So it is even."],
    )
    assert not len(go(documents, suggest={"detector": "phrases", "precision": 0.9}).table("suggestions"))
    lenient = go(documents, suggest={"detector": "phrases", "precision": 0.2}).table("suggestions")
    assert len(lenient)
    assert (lenient.heldout_precision < 0.9).all()


def test_what_the_list_is_worth_with_phrases_is_what_its_detector_gives_with_them(go):
    documents = planted(60, doubt=[*DOUBT, "Perhaps it holds on.", "Hmm, perhaps it is odd.", "Is it so?"])
    documents = [*documents, annotated("x", ("He awaits the sum.", "work"), ("Thresholds on it.", "work"))]
    run = go(documents)
    phrases, mended = run.table("suggestions").phrase.tolist(), run.table("mended")
    assert len(phrases) >= 3
    for number in range(len(phrases) + 1):
        detector = Phrases((*WAIT.phrases, *phrases[:number]))
        [there] = go(heldout(documents), {"wait": detector}, suggest=None).table("agreement").to_dict("records")
        here = mended[mended.phrases == number].to_dict("records")[0]
        counts = ("true_positive", "false_positive", "false_negative", "sentences", "precision", "recall", "f1")
        assert [here[name] for name in counts] == [there[name] for name in counts]


def test_intervals_are_from_whole_groups_and_missing_where_there_are_few(go):
    run = go(planted(doubt=[*DOUBT, "So the sum is odd."]))
    first = run.table("mended").iloc[0]
    assert 0 < first.recall_low < first.recall < first.recall_high < 1
    few = go(planted(16))
    assert few.table("mended").recall_low.isna().all()
    assert any("8 groups say what the suggestions for `wait` are worth" in text for text in few.run["warnings"])


@dataclass(frozen=True)
class Judge(Detector):
    """Sentences with `hold`; it does not know what to make of those with `easy`."""

    scope: str = "completion"
    whole_texts = False

    def detect(self, document):
        return self._at(document, "Hold")

    def near_misses(self, document):
        return self._at(document, "easy")

    def _at(self, document, word):
        text, at = document.text, -1
        while (at := text.find(word, at + 1)) >= 0:
            yield Span(at, at + len(word), word)


def test_another_detector_can_say_where_the_behaviour_shows(go):
    documents = [Document(document.id, document.text, document.group) for document in planted()]
    run = go(documents, {"judge": Judge(), "wait": WAIT}, {"detector": "phrases", "against": "judge"}, labels=None)
    assert run.table("suggestions")[["detector", "label", "phrase"]].to_numpy().tolist() == [
        ["wait", "judge", "hold on"]
    ]
    record = run.run["suggestions"]["wait"]
    unknown = sum(document.text.count("easy") for document in documents)
    assert record["sentences_not_known"] == unknown > 0
    assert any(
        f"of {unknown} sentences it is not known whether they show `judge`" in text for text in run.run["warnings"]
    )
    sentences = sum(record[half]["sentences"] for half in ("proposing", "held_out"))
    assert sentences + unknown == 9 * len(documents)


@dataclass(frozen=True)
class Doubtful(Phrases):
    """Does not know of sentences with `second`, nor of some that show nothing."""

    near_misses_are_unknown = True

    def near_misses(self, document):
        return [Span(*match.span(), "unclear") for match in re.finditer("second|easy", document.text)]


def test_sentences_that_the_list_does_not_know_of_are_not_missed(go):
    documents = planted(60)
    run = go(documents, {"wait": Doubtful(("wait",))})
    unknown = sum(document.text.count("second") + document.text.count("easy") for document in documents)
    record = run.run["suggestions"]["wait"]
    assert record["not_known_to_detector"] == unknown
    assert sum(record[half]["sentences"] for half in ("proposing", "held_out")) + unknown == 9 * len(documents)
    assert any(f"`wait` does not know of {unknown} sentences" in text for text in run.run["warnings"])
    table = run.table("suggestions")
    assert "hold on a" not in " ".join(table.phrase)
    [half] = go(heldout(documents), {"wait": Doubtful(("wait",))}, suggest=None).table("agreement").to_dict("records")
    [first] = run.table("mended").query("phrases == 0").drop(columns="phrases").to_dict("records")
    assert first == half
    assert first["not_known"] > 0
    gained = run.table("suggestions").heldout_recall_gained.iloc[0]
    assert gained == pytest.approx(1 - first["recall"]), "`hold on` is in all that is missed"


def test_the_progress_ends_at_its_total():
    sentences = pd.DataFrame({"text": DOUBT * 50 + PLAIN * 50, "group": [f"g{n}" for n in range(350)]})
    shows = np.arange(350) < 150
    find = lambda phrase: sentences.text.str.lower().str.contains(phrase, regex=False).to_numpy()  # noqa: E731
    heard = []
    choose_phrases(sentences, shows, shows & False, find, Suggest("phrases", first=1), lambda *each: heard.append(each))
    assert heard[-1][0] == heard[-1][1] > 1
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_every_list_gets_its_own_suggestions(go):
    run = go(detectors={"wait": WAIT, "hold": Phrases(("hold on",))})
    assert run.table("suggestions").groupby("detector").phrase.agg(list).to_dict() == {
        "wait": ["hold on"],
        "hold": ["wait"],
    }
    assert set(run.run["suggestions"]) == {"wait", "hold"}


def test_where_nothing_is_missed_that_is_said(go):
    run = go(detectors={"all": Phrases(("wait", "hold on"))})
    assert not len(run.table("suggestions"))
    assert len(run.table("mended")) == 1
    assert any("it misses no sentence that shows `doubt`" in text for text in run.run["warnings"])
    assert not list(run.folder.rglob("*.yaml"))
    assert "0 suggested" in " ".join(printed(run).split())


def test_where_no_phrase_tells_the_behaviour_that_is_said_with_how_many_were_tried(go):
    run = go(planted(doubt=PLAIN), {"wait": WAIT, "none": Phrases(("nothing",))})
    assert not len(run.table("suggestions"))
    tried = run.run["suggestions"]["none"]["tried"]
    assert tried > 0
    assert any(f"of {tried} phrases that were tried none adds" in text for text in run.run["warnings"])


def test_where_every_sentence_shows_it_that_is_said(go):
    run = go([annotated(f"d{number}", (DOUBT[1], "doubt")) for number in range(20)])
    assert any("every sentence shows `doubt`" in text for text in run.run["warnings"])


def test_several_labels_are_one_behaviour(go):
    run = go(labels=("doubt", "work"))
    assert run.run["suggestions"]["wait"]["reference"] == "doubt or work"


def test_the_preset_of_a_run_is_taken_by_a_command(go, tmp_path, monkeypatch):
    awkward = ("wait", "${oc.env:HOME}", 'it\'s: "so" #1', "a\\${b}", "- no", "ja\nnein")
    run = go(detectors={"my list": Phrases(awkward, words=True)})
    name = "my_list_mended"
    assert run.run["suggestions"]["my list"]["preset"] == f"presets/detectors/{name}.yaml"
    assert f"--config-dir '{run.folder}/presets' 'detectors=[{name}]'" in " ".join(printed(run, 500).split())
    monkeypatch.chdir(tmp_path)
    chosen = ("--config-dir", f"{run.folder}/presets", f"detectors=[{name}]")
    main(["detect", *chosen, "hydra.run.dir=again", "reports=[]"])
    node = load(tmp_path / "again").run["config"]["detectors"][name]
    assert node["phrases"] == [*awkward, "hold on"]
    assert node["words"] is True


ODD = st.sampled_from(["\\${", "${a}", "\\\\${b}", "1e3", "yes", "null", "- a", "a: b", "#", "12_3", "0x1f", "1:20"])


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=9) | ODD))
def test_a_preset_holds_the_phrases_as_they_are(tmp_path_factory, phrases):
    detector = Phrases(("wait",))
    file = write_preset(MendedPreset("a", detector, detector, tuple(phrases)), "b", tmp_path_factory.mktemp("presets"))
    assert OmegaConf.to_container(OmegaConf.load(file), resolve=True)["phrases"] == ["wait", *phrases]


def test_for_a_detector_without_a_list_the_preset_holds_the_suggested_phrases_alone(go):
    run = go(detectors={"waits": Regex(("wait",))})
    assert run.run["suggestions"]["waits"]["preset"] == "presets/detectors/waits_missed.yaml"
    [file] = run.folder.rglob("waits_missed.yaml")
    assert "hold on" in file.read_text()
    assert "?" not in file.read_text()
    assert run.table("mended").recall.tolist()[-1] == 1


class Whole(Judge):
    """Labels whole texts."""

    whole_texts = True


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"labels": None}, "`suggest` does not know which annotated label is the behaviour"),
        ({"suggest": {"detector": "phrases", "against": "judg"}}, "is no behaviour of this run"),
        ({"suggest": {"detector": "phrases", "against": "wait"}}, "has no list to mend: add a detector of phrases"),
        ({"suggest": {"detector": "regex"}}, "the detector `regex` has no field `phrases`"),
        ({"suggest": {"detector": "phrase"}}, "did you mean `phrases`"),
        ({"suggest": "phrase"}, "phrases"),
        ({"suggest": {"detector": "phrases", "words": 6}}, "suggest.words is 6"),
        ({"suggest": {"detector": "phrases", "frist": 6}}, "did you mean `first`"),
        ({"detectors": {"whole": Whole()}}, "those given label whole texts"),
        (
            {"detectors": {"whole": Whole(), "wait": WAIT}, "suggest": {"detector": "phrases", "against": "whole"}},
            "which labels whole texts",
        ),
        (
            {
                "detectors": {"judge": Judge(scope="prompt"), "wait": WAIT},
                "suggest": {"detector": "phrases", "against": "judge"},
            },
            "`judge` looks in the prompt, and `wait` in the completion",
        ),
    ],
)
def test_mistakes_are_said_and_leave_nothing(go, tmp_path, asked, message):
    with pytest.raises(ConfigError, match=message):
        go(**asked)
    assert not list(tmp_path.iterdir())


def test_without_annotations_the_labels_are_what_is_wrong(go):
    with pytest.raises(DataError, match="no document is annotated"):
        go([Document("a", "Wait.", "a")])


def test_the_command_line_suggests(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["detect", "suggest=phrases", "suggest.first=2", "labels=[backtracking]", "reports=[]"])
    [record] = tmp_path.rglob("run.json")
    run = load(record.parent)
    assert run.run["config"]["suggest"]["first"] == 2
    assert len(run.table("suggestions")) <= 2
    assert "held-out" in capsys.readouterr().out
