"""A plugin package that nobody asked for stops no command; who asks for what is faulty is told whose fault it is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from neurosieve import ConfigError, PluginError, detect, load
from neurosieve.cli import main
from neurosieve.registry import Registry, installed
from neurosieve_plugins.detectors.phrases import Phrases

CASES = Path(__file__).parents[3] / "shared" / "cases" / "15-broken-plugin"
HEAD = """
from dataclasses import dataclass
from neurosieve import Detector, Span, hookimpl

@dataclass(frozen=True)
class Echo(Detector):
    '''Everything.'''

    def detect(self, document):
        yield Span(0, len(document.text))
"""
REGISTERS = """
@hookimpl
def register_detectors():
    return {"NAME": Echo}
"""
IMPORT = "the plugin package `nsmine` cannot be imported "


@pytest.fixture
def plugged_in(tmp_path, monkeypatch):
    """Install a module by hand: what pip would leave of a distribution with one entry point."""

    def plugged_in(code, distribution="nsmine", module=None):
        module = module or distribution
        if code is not None:
            (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        info = tmp_path / f"{distribution}-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[neurosieve]\nplugins = {module}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.chdir(tmp_path)
        installed.cache_clear()
        sys.modules.pop(module, None)

    yield plugged_in
    installed.cache_clear()


@pytest.fixture
def command(capsys):
    """Run a command; return its exit code, what it printed and what it said of errors."""

    def command(*arguments):
        code = 0
        try:
            main(arguments)
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


TEXTS = ("detect", "source=arithmetic", "source.documents=4", "reports=[]")
REGEX = ("detectors=[regex]", "detectors.regex.patterns=[wait]")
FAULTY = {
    "a library that is missing": (
        "import a_library_that_is_not_here",
        f"{IMPORT}(ModuleNotFoundError: No module named",
    ),
    "a module that is missing": (None, f"{IMPORT}(ModuleNotFoundError: No module named 'nsmine'): mend it"),
    "a syntax error": ("def hook(:", f"{IMPORT}(SyntaxError: invalid syntax (nsmine.py, line 1)): mend it"),
    "an exit": ("import sys; sys.exit(3)", f"{IMPORT}(SystemExit: 3): mend it"),
    "a hook that raises": (
        HEAD + "@hookimpl\ndef register_detectors(): raise RuntimeError('licence server not reached')",
        "`register_detectors` of the plugin package `nsmine` failed (RuntimeError: licence server not reached): mend",
    ),
    "a hook that returns a list": (
        HEAD + "@hookimpl\ndef register_detectors(): return [Echo]",
        "`register_detectors` of `nsmine` returned [<class",
    ),
    "config folders that raise": (
        HEAD + "@hookimpl\ndef config_search_path(): raise OSError('disk')",
        "`config_search_path` of the plugin package `nsmine` failed (OSError: disk)",
    ),
    "a misspelt hook": (
        HEAD + REGISTERS.replace("register_detectors", "register_detecters"),
        "the plugin package `nsmine` implements a hook that there is not: ",
    ),
    "an unknown argument": (
        HEAD + "@hookimpl\ndef run_started(weather): pass",
        "the plugin package `nsmine` cannot be plugged in: ",
    ),
    "a class of another kind": (
        HEAD + "@hookimpl\ndef register_scorers(): return {'echo': Echo}",
        "the scorer `echo` of `nsmine` is not a `neurosieve.Scorer`",
    ),
    "a name that is taken": (
        HEAD + REGISTERS.replace("NAME", "phrases"),
        "the detector `phrases` is registered by both `neurosieve` and `nsmine`: uninstall one, or rename it",
    ),
}


@pytest.mark.parametrize(("code", "said"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_package_that_nobody_asked_for_is_a_warning(code, said, plugged_in, command):
    plugged_in(code)
    ended, printed, error = command(*TEXTS, *REGEX)
    assert ended == 0
    assert error.startswith(f"neurosieve: warning: {said}")
    assert error.count("\n") == 1
    [run] = Path("runs").rglob("run.json")
    assert any(warning.startswith(said) for warning in load(run.parent).run["warnings"])
    assert f"warning: {said[:40]}" in printed


ASKED = {
    "a name that may be in a package left out": (
        "import a_library_that_is_not_here",
        ("detectors=[mine]",),
        "no `mine` to choose for `detectors`.*the plugin package `nsmine` cannot be imported",
    ),
    "a name that is taken": (
        HEAD + REGISTERS.replace("NAME", "phrases"),
        ("detectors=[backtracking]",),
        "the detector `phrases` is registered by both `neurosieve` and `nsmine`",
    ),
    "a class of another kind": (
        "from neurosieve import hookimpl\n@hookimpl\ndef register_detectors(): return {'mine': int}",
        ("detectors=[mine]",),
        "the detector `mine` of `nsmine` is not a `neurosieve.Detector`",
    ),
}


@pytest.mark.parametrize(("code", "wanted", "said"), ASKED.values(), ids=ASKED)
def test_who_asks_for_what_is_faulty_is_told_whose_it_is(code, wanted, said, plugged_in, command):
    plugged_in(code)
    ended, printed, error = command(*TEXTS, *wanted)
    warning, refused = error.splitlines()
    assert (ended, printed) == (2, "")
    assert warning.startswith("neurosieve: warning: ")
    assert refused.startswith("neurosieve: ")
    assert re.search(said, refused)
    assert not Path("runs").exists()


def test_check_names_the_package_that_was_left_out(plugged_in, command):
    plugged_in("import a_library_that_is_not_here")
    ended, _, error = command("check", "detector/mine")
    assert ended == 2
    assert "there is no plugin `detector/mine`" in error.splitlines()[1]
    assert "the plugin package `nsmine` cannot be imported" in error.splitlines()[1]


def test_check_refuses_a_name_that_two_packages_claim(plugged_in, command):
    plugged_in(HEAD + REGISTERS.replace("NAME", "phrases"))
    ended, _, error = command("check", "phrases")
    assert ended == 2
    assert error.splitlines()[1].startswith("neurosieve: the detector `phrases` is registered by both")


LISTENERS = {
    "a hook that hears of stages": "stage_progressed(stage)",
    "a hook that hears of the beginning": "run_started()",
    "a hook that hears of the end": "run_ended(folder)",
}


@pytest.mark.parametrize("hook", LISTENERS.values(), ids=LISTENERS)
def test_a_listener_that_raises_is_left_out_and_the_run_goes_on(hook, plugged_in, command):
    plugged_in(f"from neurosieve import hookimpl\n@hookimpl\ndef {hook}: raise ValueError('no tracker')")
    ended, _, error = command(*TEXTS, *REGEX)
    said = (
        f"`{hook.partition('(')[0]}` of the plugin package `nsmine` failed (ValueError: no tracker): it only listens, "
        "so the run went on without it"
    )
    assert (ended, error) == (0, f"neurosieve: warning: {said}\n")
    [run] = Path("runs").rglob("run.json")
    # The results are written by the time that the last hook is called.
    assert (said in load(run.parent).run["warnings"]) is (hook != "run_ended(folder)")


def test_a_warning_of_a_listener_is_in_the_run_in_python_too(plugged_in, tmp_path):
    plugged_in("from neurosieve import hookimpl\n@hookimpl\ndef run_started(): raise KeyError('x')")
    run = detect("arithmetic", {"waiting": Phrases(("wait",))}, reports=(), folder=tmp_path / "run")
    assert any(
        "`run_started` of the plugin package `nsmine` failed (KeyError: 'x')" in said for said in run.run["warnings"]
    )


def test_of_a_package_that_fails_once_nothing_stays():
    import neurosieve_plugins
    from neurosieve import hookimpl

    class Half:
        @hookimpl
        def register_detectors(self):
            return {"phrases": Phrases, "more": Phrases}

        @hookimpl
        def register_sources(self):
            raise RuntimeError("no licence")

    registry = Registry({"neurosieve": neurosieve_plugins, "half": Half()})
    assert registry.get("detector", "phrases").origin == "neurosieve"
    with pytest.raises(
        ConfigError, match=r"no detector `more`.*it may be in a package that was left out: `register_so"
    ):
        registry.get("detector", "more")
    assert len(registry.warnings) == 1


def test_a_faulty_class_does_not_take_the_name_of_a_sound_one():
    import neurosieve_plugins
    from neurosieve import hookimpl

    class Odd:
        @hookimpl
        def register_detectors(self):
            return {"phrases": int, "odd": int}

    registry = Registry({"neurosieve": neurosieve_plugins, "odd": Odd()})
    assert registry.get("detector", "phrases").cls is Phrases
    with pytest.raises(PluginError, match=r"the detector `odd` of `odd` is not a `neurosieve.Detector`"):
        registry.get("detector", "odd")


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the checkout, in ../shared/cases")
@pytest.mark.parametrize("case", ["a", "b", "c", "d"])
def test_the_cases_go_on_where_nobody_asked_for_them(case, tmp_path):
    path = os.pathsep.join([str(CASES / case), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "neurosieve", "plugins", "--json"]
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0
    assert ended.stderr.startswith("neurosieve: warning: ")
    assert {"a": "`nsbroken`", "b": "`nsgone`", "c": "`nsclash`", "d": "`nsraise`"}[case] in ended.stderr
    assert "phrases" in {plugin["name"] for plugin in json.loads(ended.stdout)}
