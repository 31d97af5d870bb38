"""Plugin packages of others: one that is really installed, and some that are broken."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pandas as pd
import pytest

from neurosieve.registry import installed

pytestmark = pytest.mark.slow
PACKAGE = Path(__file__).parent / "neurosieve_shouting"
NEUROSIEVE = ("-c", "from neurosieve.cli import main; main()")


def run(*command: str, site: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the packages of a folder in addition to those installed."""
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": str(site), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the package installed by pip: without a network, by the setuptools that torch brings."""
    # From a copy: a build writes into the folder that it builds.
    copy, site = tmp_path_factory.mktemp("source") / "package", tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, copy)
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    done = run("-m", "pip", "install", "--quiet", *offline, "--target", str(site), str(copy), site=site)
    assert done.returncode == 0, done.stderr
    return site


def test_an_installed_package_is_plugged_in_under_its_own_name(site: Path) -> None:
    done = run(*NEUROSIEVE, "plugins", "--json", site=site)
    assert done.returncode == 0, done.stderr
    plugins = [plugin for plugin in json.loads(done.stdout) if plugin["origin"] == "neurosieve-shouting"]
    assert [(plugin["kind"], plugin["name"]) for plugin in plugins] == [
        ("detector", "shouting"),
        ("scorer", "median_difference"),
    ]
    assert plugins[0]["help"] == "Words in capitals, of at least `letters` letters."


def test_its_plugins_keep_their_contracts_by_its_own_tests(site: Path) -> None:
    tests = str(PACKAGE / "test_shouting.py")
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, tests, site=site)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


@pytest.mark.parametrize("name", ["shouting", "median_difference"])
def test_its_plugins_keep_their_contracts_by_the_command_line(site: Path, name: str) -> None:
    done = run(*NEUROSIEVE, "check", name, site=site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "keeps all" in done.stdout.splitlines()[-1]


def test_its_detector_scorer_and_preset_serve_a_run(site: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(12):
        text = f"This is number {number}, and all is quiet here. NEVER do that AGAIN, or ALL of us go home. It is over."
        (texts / f"{number}.txt").write_text(text, encoding="utf-8")
    done = run(
        *(*NEUROSIEVE, "find", "model=tiny", "source=text", f"source.path={texts}"),
        *("detectors=[loud]", "scorers=[median_difference]"),
        *(f"store={tmp_path / 'store'}", f"hydra.run.dir={tmp_path / 'run'}"),
        site=site,
    )
    assert done.returncode == 0, done.stderr
    positions = pd.read_parquet(tmp_path / "run" / "positions.parquet")
    present = positions[positions.label == 1]
    # `letters: 5` comes from the preset: `ALL` is not loud.
    assert set(present.behaviour) == {"loud"}
    assert len(present) == 24
    neurons = pd.read_parquet(tmp_path / "run" / "neurons.parquet")
    assert neurons.median_difference.notna().all()


HEAD = """
from dataclasses import dataclass
from neurosieve import Detector, Document, Span, hookimpl

@dataclass(frozen=True)
class Echo(Detector):
    '''Everything.'''

    def detect(self, document):
        yield Span(0, len(document.text))
"""


def a_package(folder: Path, distribution: str, code: str, head: str = HEAD) -> Path:
    """Install a module by hand: what pip would leave of a distribution with one entry point."""
    module = distribution.replace("-", "_")
    (folder / f"{module}.py").write_text(head + dedent(code), encoding="utf-8")
    info = folder / f"{module}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[neurosieve]\nplugins = {module}\n", encoding="utf-8")
    return folder


def warnings_of_plugging_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.syspath_prepend(str(folder))
    registry = installed.__wrapped__()
    assert registry.get("scorer", "auc").origin == "neurosieve"  # All else is there.
    return "\n".join(registry.warnings)


BROKEN = {
    "taken-name": (
        """
        @hookimpl
        def register_detectors():
            return {"regex": Echo}
        """,
        "the detector `regex` is registered by both `neurosieve` and `taken-name`: uninstall one, or rename it",
    ),
    "failing-import": (
        """
        import a_module_that_there_is_not
        """,
        "the plugin package `failing-import` cannot be imported (ModuleNotFoundError: No module named "
        "'a_module_that_there_is_not'): mend it, or `pip uninstall failing-import`",
    ),
    "misspelt-hook": (
        """
        @hookimpl
        def register_detecters():
            return {"echo": Echo}
        """,
        "the plugin package `misspelt-hook` implements a hook that there is not: ",
    ),
    "unknown-argument": (
        """
        @hookimpl
        def register_detectors(configuration):
            return {"echo": Echo}
        """,
        "the plugin package `unknown-argument` cannot be plugged in: ",
    ),
    "wrong-kind": (
        """
        @hookimpl
        def register_scorers():
            return {"echo": Echo}
        """,
        "the scorer `echo` of `wrong-kind` is not a `neurosieve.Scorer`: derive it from that class",
    ),
    "no-class": (
        """
        @hookimpl
        def register_detectors():
            return {"echo": Echo()}
        """,
        "the detector `echo` of `no-class` is not a `neurosieve.Detector`: derive it from that class",
    ),
    "no-dataclass": (
        """
        class Plain(Detector):
            def detect(self, document):
                return []

        @hookimpl
        def register_detectors():
            return {"plain": Plain}
        """,
        "the detector `plain` of `no-dataclass` is not a frozen dataclass: decorate it with `@dataclass(frozen=True)`",
    ),
    "not-frozen": (
        """
        @dataclass
        class Thawed(Detector):
            def detect(self, document):
                return []

        @hookimpl
        def register_detectors():
            return {"thawed": Thawed}
        """,
        "the detector `thawed` of `not-frozen` is not a frozen dataclass: decorate it with `@dataclass(frozen=True)`",
    ),
    "half-done": (
        """
        @dataclass(frozen=True)
        class Half(Detector):
            letters: int = 3

        @hookimpl
        def register_detectors():
            return {"half": Half}
        """,
        "the detector `half` of `half-done` lacks detect",
    ),
    "no-names": (
        """
        @hookimpl
        def register_detectors():
            return [Echo]
        """,
        "`register_detectors` of `no-names` returned [<class 'no_names.Echo'>]: return a dict of names and classes",
    ),
}


@pytest.mark.parametrize("distribution", BROKEN)
def test_a_broken_package_is_left_out_with_a_warning_that_names_its_distribution(
    distribution: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, message = BROKEN[distribution]
    assert message in warnings_of_plugging_in(a_package(tmp_path, distribution, code), monkeypatch)


def test_a_misspelt_hook_is_answered_with_the_nearest_hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _ = BROKEN["misspelt-hook"]
    folder = a_package(tmp_path, "misspelt-again", code)
    assert "did you mean `register_detectors`" in warnings_of_plugging_in(folder, monkeypatch)


def test_two_packages_of_one_name_for_a_plugin_are_both_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
        @hookimpl
        def register_detectors():
            return {"echo": Echo}
        """
    folder = a_package(a_package(tmp_path, "first-echo", code), "second-echo", code)
    message = warnings_of_plugging_in(folder, monkeypatch)
    assert message.startswith("the detector `echo` is registered by both `first-echo` and `second-echo`")


def test_the_command_line_warns_and_goes_on(tmp_path: Path) -> None:
    code, message = BROKEN["failing-import"]
    done = run(*NEUROSIEVE, "plugins", site=a_package(tmp_path, "failing-import", code))
    assert (done.returncode, done.stderr) == (0, f"neurosieve: warning: {message}; it was left out\n")
    assert "phrases" in done.stdout
