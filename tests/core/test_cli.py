"""What the command line does for whoever uses it well, and says to whoever does not."""

import errno
import json
import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pandas as pd
import pytest
import torch

from neurosieve import ConfigError, ModelError, find, hookimpl
from neurosieve.cli import main
from neurosieve.models.tiny import tiny_model
from neurosieve.registry import installed

SLIP = "Let me add {0}. Wait, that's not right, so I count {0} again and get {0} apples in total for all of them here. "
PLAIN = "I have {0} apples and I buy {0} more, so there are {0} apples in all, which is good to know about them."


def record(number, text=None, problem=None):
    text = f"Q{number} <think> {SLIP * 2 if number % 2 else PLAIN}".format(number) if text is None else text
    return {"problem_id": number, "problem_text": problem or f"p{number}", "generated_cot": text}


GOOD = [record(number) for number in range(24)]
CUT = json.dumps([record(number) for number in range(5)], indent=1)
NO_TEXT = {"problem_id": 3, "problem_text": "x"}
NOT_TEXT = {**NO_TEXT, "generated_cot": 5}


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty working directory, and a store and data elsewhere."""
    for name in ("here", "data"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.fixture
def run(places, capsys):
    """Run `neurosieve find` on records, and return its exit code, what it printed and what it said of errors."""

    def run(records, *overrides, name="traces.json"):
        path = places / "data" / name
        path.write_text(records if isinstance(records, str) else json.dumps(records))
        return run_main("find", "source=traces", f"source.path={path}", *overrides)

    def run_main(*arguments):
        code, capsys_before = 0, capsys.readouterr()
        assert not capsys_before.err
        own = ["model=tiny", f"store={places / 'store'}"] if arguments[0] == "find" else []
        try:
            main([*arguments[:1], *own, *CHEAP, *arguments[1:]] if own else list(arguments))
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return code, said.out, said.err

    run.main = run_main
    return run


CHEAP = ("interval_bootstraps=20", "permutations=20", "stability_bootstraps=0", "reports=[]")
"""What a run of these tests does without; a run of its own defaults is that of the report's tests."""

TEXTS = {
    "JSON that is cut off": (CUT[: len(CUT) // 2], r"line 15 of .*traces.json is cut off"),
    "JSON that is no array": (7, "is not a JSON array of records"),
    "JSON that is one object": ({"a": 1}, "record 1 .* has no `generated_cot` nor .*; it has `a`"),
    "a record without its text": ([record(0), NO_TEXT], "record 2 of .* has no `generated_cot`"),
    "a text that is a number": ([record(0), NOT_TEXT], "record 2 of .* holds a number in `generated_cot`"),
    "an id twice": ([record(0), record(0)], "record 2 of .* has the id `0`, which record 1 .* has too"),
    "an empty file": ("", "traces.json holds no record"),
    "empty texts": ([record(n, "") for n in range(4)], "record 1 of .* has no text"),
    "texts of one token": ([record(n, "a") for n in range(4)], "no span of `backtracking` was found in 4 documents"),
    "texts without the behaviour": ([record(n, PLAIN) for n in range(4)], "no span of `backtracking` was found"),
    "one class only": (
        [record(n, "that's not right") for n in range(4)],
        "`backtracking` has 1 position where it shows and none to compare with",
    ),
    "fewer groups than the split needs": (
        [record(n, problem="the same") for n in range(4)],
        "`backtracking` shows in 1 group, too few to hold out",
    ),
}


@pytest.mark.parametrize(("records", "said"), TEXTS.values(), ids=TEXTS)
def test_texts_that_cannot_be_used_end_in_one_message_and_leave_nothing(run, places, records, said):
    assert_refused(run(records), said, places)


CHOICES = {
    "an invalid regex": (
        ["detectors=[regex]", "detectors.regex.patterns=['(a']"],
        r"pattern 1 of the detector `regex`, `\(a`, is not a regular expression: missing \) at position 2",
    ),
    "a regex that runs away": (
        ["detectors=[regex]", "detectors.regex.patterns=['([a-z ]|[a-z ][a-z ])+$']", "detectors.regex.seconds=0.1"],
        "has not ended after 0.1 seconds on document `",
    ),
    "an empty phrase": (["detectors=[phrases]", "detectors.phrases.phrases=['']"], "phrase 1 .* is blank"),
    "no phrases": (["detectors=[phrases]"], "`detectors.phrases.phrases` has no value"),
    "a window beyond the document": (
        ["selection=window", "selection.offsets=[-5000]"],
        r"no position is left for `backtracking`: with selection.at=window and offsets \[-5000\]",
    ),
    "an unknown scorer": (["scorers=[aucc]"], r"no `aucc` to choose for `scorers`: did you mean `auc`"),
    "an unknown scorer in a sweep": (["-m", "scorers=[aucc],[auc]"], "no `aucc` .*: did you mean `auc`"),
    "an unknown detector": (["detectors=[regx]"], "no `regx` .*: did you mean `regex`"),
    "an unknown preset": (["detectors=[backtraking]"], "no `backtraking` .*: did you mean `backtracking`"),
    "an unknown source": (["source=trace"], "no `trace` .*: did you mean `traces`"),
    "an unknown model": (["model=gemma-3-270"], "no `gemma-3-270` .*: did you mean `gemma-3-270m`"),
    "an unknown setting": (["sed=3"], "the config has no `sed`: did you mean `seed`"),
    "an unknown setting of a plugin": (["source.pth=3"], "the config has no `source.pth`: did you mean `source.path`"),
    "an unknown flag": (["--sead"], "--sead"),
    "a seed that is a word": (["seed=abc"], "`seed` is `abc`: give a whole number"),
    "a scorer that ranks and is not asked for": (["rank_by=d"], "rank_by is `d`, which is not among the scorers"),
    "a layer that there is not": (["layers=[77]"], r"layers is \[77\]: `tiny` has layers 0 to 2"),
    "a kind of site that there is not": (["site=resid_pots"], "site is 'resid_pots'.*did you mean `resid_post`"),
    "a layer that there is not of another kind": (
        ["site=attn_z", "layers=[3]"],
        r"layers is \[3\]: `tiny` has layers 0",
    ),
    "no detector": (["detectors=[]"], r"no detector is given: choose at least one, as in `detectors=\[...\]`"),
    "a foreign target": (
        ["source._target_=os.system"],
        "`config.source._target_` is `os.system`, which is not a reg",
    ),
    "an override that does not parse": (["scorers=[auc"], r"\[auc"),
    "a model without a name": (["model=pretrained"], "`model.name` has no value: give one with `model.name=...`"),
    "a folder that holds no model": (
        ["model=pretrained", "model.name=."],
        r"cannot open `\.` .*must hold what `save_pretrained` ",
    ),
    "a store that cannot be written": (["store=/proc/nope"], "cannot write the store `/proc/nope/.*`store=<folder>`"),
    "a folder that cannot be written": (["hydra.run.dir=/proc/nope"], "cannot write `/proc/nope`.*hydra.run.dir"),
}


@pytest.mark.parametrize(("overrides", "said"), CHOICES.values(), ids=CHOICES)
def test_choices_that_make_no_sense_end_in_one_message_and_leave_nothing(run, places, overrides, said):
    assert_refused(run(GOOD, *overrides), said, places)


COMMANDS = {
    "a command that there is not": (["fnd"], "no command `fnd`: did you mean `find`"),
    "runs to compare that there are not": (["compare", "nowhere"], "there is no folder `nowhere`"),
    "a path that is not there": (
        ["find", "source=traces", "source.path=nowhere.json"],
        "cannot read `nowhere.json`: there is no such file in",
    ),
    "nothing of that name to clear": (["cache", "--store", ".", "--clear", "it"], "nothing is kept as `it`"),
}


@pytest.mark.parametrize(("arguments", "said"), COMMANDS.values(), ids=COMMANDS)
def test_commands_that_make_no_sense_end_in_one_message_and_leave_nothing(run, places, arguments, said):
    assert_refused(run.main(*arguments), said, places)


def assert_refused(ended, said, places):
    code, printed, error = ended
    assert code == 2, error
    assert re.fullmatch("neurosieve: .*\n", error), error  # One line: no dot is a line's end.
    assert re.search(said, error)
    assert not printed
    assert list((places / "here").iterdir()) == []
    store = places / "store"
    assert not store.exists() or not [path for path in store.rglob("*") if path.suffix == ".part"]


def test_a_full_disk_ends_in_one_message_and_leaves_nothing_half_written(run, places, monkeypatch):
    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("neurosieve.activations.store.save_file", full)
    assert_refused(run(GOOD), "cannot write a shard .*No space left on device.*make room", places)
    assert {path.name for path in (places / "store").rglob("*") if path.is_file()} == {"space.json"}


@pytest.fixture
def plug_in(monkeypatch, places):
    """Pretend that a package with these modules is installed, beside the bundled plugins."""

    def plug_in(**sources):
        (places / "packages").mkdir()
        for name, source in sources.items():
            (places / "packages" / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(str(places / "packages"))
        points = [EntryPoint(name, name, "neurosieve") for name in ["neurosieve_plugins", *sources]]
        monkeypatch.setattr("neurosieve.registry.entry_points", lambda group: points)
        installed.cache_clear()

    yield plug_in
    installed.cache_clear()


REGISTERS = """
from neurosieve import hookimpl
from neurosieve_plugins.scorers.auc import Auc

@hookimpl
def register_scorers():
    return {"auc": Auc}
"""


def test_two_plugins_of_one_name_are_refused_where_the_name_is_asked_for(run, places, plug_in):
    plug_in(theirs=REGISTERS)
    code, printed, error = run(GOOD)
    assert (code, printed, list((places / "here").iterdir())) == (2, "", [])
    said = "scorer `auc` is registered by both `neurosieve_plugins` and `theirs`: uninstall one, or rename it"
    warning, refused = error.splitlines()
    assert warning == f"neurosieve: warning: the {said}; until then `auc` cannot be chosen"
    assert refused == f"neurosieve: the {said}"


def test_a_plugin_that_cannot_be_imported_stops_nothing_and_is_named_with_its_package(run, places, plug_in):
    plug_in(broken_package="import nothing_of_this_name")
    code, printed, error = run(GOOD, "scorers=[cohens_d]", "test_top=3")
    said = (
        "the plugin package `broken_package` cannot be imported (ModuleNotFoundError: No module named "
        "'nothing_of_this_name'): mend it, or `pip uninstall broken_package`; it was left out"
    )
    assert (code, error) == (0, f"neurosieve: warning: {said}\n")
    [folder] = re.findall("run folder: (.*)", printed)
    assert said in json.loads((places / "here" / folder / "run.json").read_text())["warnings"]


def test_hydra_full_error_shows_the_traceback(run, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ConfigError, match="rank_by is `d`"):
        run(GOOD, "rank_by=d")


def test_a_run_ends_with_its_best_neurons_and_the_folder_that_holds_it(run, places):
    code, printed, error = run(GOOD, "test_top=3", "layers=[2,0]", "reports=[html]")
    assert (code, error) == (0, "")
    assert "backtracking: the best 10 of 256 MLP neurons by auc" in printed
    [folder] = re.findall("run folder: (.*)", printed)
    assert {path.name for path in (places / "here" / folder).iterdir()} == {
        ".hydra",
        "activations.parquet",
        "extra_positions.parquet",
        "neurons.parquet",
        "positions.parquet",
        "report.html",
        "run.json",
        "spans.parquet",
        "texts.parquet",
        "baselines.parquet",
    }


class Interrupting:
    """Ctrl-C in the middle of reading."""

    def __init__(self):
        self.batches = 0

    @hookimpl
    def batch_read(self, documents, tokens, positions):
        self.batches += 1
        if self.batches == 3:
            raise KeyboardInterrupt


def test_an_interrupted_run_says_that_it_goes_on_and_does(run, places):
    few = ("tokens_per_batch=200", "test_top=3")
    listener = Interrupting()
    installed().manager.register(listener)
    try:
        code, _, error = run(GOOD, *few)
    finally:
        installed().manager.unregister(listener)
    assert code == 130
    assert error.startswith("neurosieve: interrupted; ")
    assert list((places / "here").iterdir()) == []
    runs = {}
    for name, overrides in (("resumed", ()), ("whole", (f"store={places / 'another'}",))):
        assert run(GOOD, *few, f"hydra.run.dir={name}", *overrides)[0] == 0
        runs[name] = (
            json.loads((places / "here" / name / "run.json").read_text())["reading"]["forward_passes"],
            pd.read_parquet(places / "here" / name / "neurons.parquet"),
        )
    assert 0 < runs["resumed"][0] < runs["whole"][0]
    pd.testing.assert_frame_equal(runs["resumed"][1], runs["whole"][1])


def test_activations_that_are_no_numbers_are_refused_by_layer_and_count(places):
    model, tokenizer = tiny_model()
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[5, 0] = float("nan")
    with pytest.raises(ModelError, match="nothing was scored") as refused:
        find(model, "arithmetic", tokenizer=tokenizer, folder="run", store=str(places / "store"))
    # Of layer 1 one neuron, and all 128 of the layer above.
    said = re.search(r"NaN or infinite \(layer 1: ([\d,]+) of ([\d,]+), layer 2: ([\d,]+) of", str(refused.value))
    one, *every = (int(count.replace(",", "")) for count in said.groups())
    assert every == [128 * one, 128 * one]
    assert not (places / "here" / "run").exists()
    assert not list((places / "store").rglob("*.safetensors"))


@pytest.mark.slow
def test_infinite_activations_are_refused_too(places):
    model, tokenizer = tiny_model()
    with torch.no_grad():
        model.model.layers[2].mlp.up_proj.weight[:] = float("inf")
    with pytest.raises(ModelError, match=r"\(layer 2: "):
        find(model, "arithmetic", tokenizer=tokenizer, folder="run", store=str(places / "store"))


@pytest.mark.slow
def test_a_sweep_reads_the_model_once_and_ends_with_a_comparison(run, places):
    code, printed, _ = run(GOOD, "-m", "scorers=[auc],[cohens_d]", "seed=0,1", "test_top=3", "hydra.sweep.dir=sweep")
    assert code == 0
    sweep = places / "here" / "sweep"
    runs = [json.loads((sweep / str(number) / "run.json").read_text()) for number in range(4)]
    assert [(one["scorers"], one["config"]["seed"]) for one in runs] == [
        (["auc"], 0), (["auc"], 1), (["cohens_d"], 0), (["cohens_d"], 1),
    ]  # fmt: skip
    passes = [one["reading"]["forward_passes"] for one in runs]
    assert passes[0] > 0
    assert passes[1:] == [0, 0, 0]
    table = pd.read_parquet(sweep / "comparison" / "comparison.parquet")
    assert len(table) == 6
    assert "backtracking: runs side by side, by their best 100" in printed


def test_find_shows_its_config_without_running(run, places):
    code, printed, _ = run.main("find", "--cfg", "job")
    assert code == 0
    assert "at: onset" in printed
    assert "_target_: scorer/auc" in printed
    assert list((places / "here").iterdir()) == []


def test_find_teaches_what_can_be_chosen(run, places):
    code, printed, _ = run.main("find", "--help")
    assert code == 0
    for shown in ("neurosieve find source=traces", "detectors: ", "backtracking_broad", "sparse_probe"):
        assert shown in printed
    assert list((places / "here").iterdir()) == []


def test_help_names_every_command_and_imports_nothing_heavy():
    script = (
        "import sys; from neurosieve.cli import main; main(['--help'])\n"
        "print([name for name in ('torch', 'transformers', 'hydra', 'numpy', 'pandas') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    *lines, heavy = ended.stdout.splitlines()
    assert heavy == "[]"
    assert not ended.stderr
    for command in ("find", "compare", "plugins", "check", "cache"):
        assert any(line.startswith(f"  {command} ") for line in lines)


def test_it_is_installed_as_a_command_and_as_a_module():
    for command in (
        [str(Path(sys.executable).parent / "neurosieve")],
        [sys.executable, "-m", "neurosieve"],
    ):
        ended = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert ended.stdout.startswith("neurosieve ")


def test_an_error_shows_the_control_characters_of_a_text_and_obeys_none(places, capsys):
    record = {"problem_id": "bad\x1b[31mred", "problem_text": "a", "generated_cot": "<think> Wait."}
    Path("traces.json").write_text(json.dumps([record, record]))
    with pytest.raises(SystemExit) as ended:
        main(["detect", "source=traces", "source.path=traces.json"])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert "bad␛[31mred" in error
    assert "\x1b" not in error
