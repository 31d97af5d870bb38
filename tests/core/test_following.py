"""A run is followed by other commands and tried on fresh traces, all in its own folder."""

import pytest

from neurosieve import ConfigError, Document, find, load
from neurosieve.cli import main
from neurosieve.following import planned
from neurosieve_plugins.detectors.phrases import Phrases

TINY = ["find", "model=tiny", "source.documents=40", "reports=[]", "hydra.run.dir=run", "draws=50"]
# A detector of a letter, so that a model with random weights shows it in what it writes.
LETTER = ["detectors=[phrases]", "detectors.phrases.phrases=[an]"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_what_follows_a_run_is_left_in_its_folder(here):
    main([*TINY, *LETTER, "then=[analyze,show,'ablate k=[1,3] controls=1 documents=5 draws=100']"])
    run = load(here / "run")
    assert sorted(part.command for part in run.parts()) == ["ablate", "analyze", "show"]
    [ablation] = run.parts("ablate")
    assert set(ablation.table("effects").k) == {1, 3}
    [shown] = run.parts("show")
    best = set(run.neurons.head(5)[["layer", "neuron"]].itertuples(index=False, name=None))
    assert set(shown.table("tokens")[["layer", "neuron"]].itertuples(index=False, name=None)) == best


def test_a_ranking_is_tried_on_fresh_traces_of_other_problems(here):
    main([*TINY, *LETTER, "validate=generated", "validate.n=20", "validate.sampling.max_new_tokens=30"])
    run = load(here / "run")
    [made], [tried] = run.parts("generate"), run.parts("rescore")
    assert made.run["counts"]["traces"] == 20
    ranked = set(run.positions.group[run.positions.part == "ranking"])
    assert not ranked & set(tried.table("positions").group)
    assert tried.table("neurons")["rank"].tolist() == run.neurons["rank"].tolist()
    assert tried.table("neurons").auc_replication.notna().any()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("abalte", "`then` holds `abalte`, which cannot follow a run: did you mean `ablate`"),
        ("", "which cannot follow a run"),
        ("ablate kk=1", "kk"),
    ],
)
def test_what_cannot_follow_is_refused_before_anything_is_run(here, capsys, line, message):
    with pytest.raises(SystemExit) as stopped:
        main([*TINY, f"then=['{line}']"])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not (here / "run").exists()


@pytest.mark.parametrize(
    ("command", "group"), [("find", "model"), ("find", "source"), ("generate", "problems"), ("generate", "prompt")]
)
def test_a_group_that_is_null_is_refused_with_what_can_be_chosen(here, capsys, command, group):
    with pytest.raises(SystemExit) as stopped:
        main([command, f"{group}=null"])
    assert stopped.value.code == 2
    assert f"`{group}` is null, where one must be chosen: there are: " in capsys.readouterr().err
    assert not list(here.iterdir())


def test_plans_keep_the_reports_of_the_run_unless_they_have_their_own():
    with pytest.raises(ConfigError, match="nonsense"):
        planned(["nonsense"], ["html"])
    [plan, own] = planned(["show k=2", "show 'reports=[figures]'"], ["html"])
    assert (list(plan.config.reports), plan.config.k) == (["html"], 2)
    assert list(own.config.reports) == ["figures"]


def test_a_ranking_is_scored_on_another_source_without_the_problems_that_ranked(here):
    main([*TINY, *LETTER, "replicate_on=arithmetic", "replicate_on.documents=60", "permutations=19"])
    run = load(here / "run")
    [tried] = run.parts("rescore")
    assert tried.folder == here / "run" / "replicate_on"
    ranked = set(run.positions.group[run.positions.part == "ranking"])
    assert ranked
    assert not ranked & set(tried.table("positions").group)
    left_out = tried.run["counts"]["documents_that_ranked"]
    assert left_out >= len(ranked)
    assert f"{left_out} documents answer problems that took part in the ranking" in tried.run["warnings"][-1]
    assert tried.run["config"]["source"]["documents"] == 60


def test_in_python_another_source_is_handed_over(here):
    texts = [Document(f"d{n}", f"{n} of the {'more words ' * 30}, an end", f"fresh {n}") for n in range(30)]
    detectors = {"an": Phrases(("an",))}
    result = find("tiny", detectors=detectors, replicate_on=texts, draws=50, permutations=19, folder=here / "run")
    [tried] = result.parts("rescore")
    assert tried.run["config"]["source"] == "documents handed over"
    assert tried.run["counts"]["documents"] == 30
