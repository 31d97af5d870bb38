"""The snippets of the pages that a newcomer copies from."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import neurosieve_plugins

ROOT = Path(__file__).parents[1]
SNIPPETS = [
    pytest.param(snippet, id=f"{page} {number}")
    for page in ("CONTRIBUTING.md", "README.md")
    for number, snippet in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL), 1)
]
RUFF = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")


@pytest.mark.skipif(RUFF is None, reason="ruff is not installed")
@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_has_the_layout_that_ruff_gives_it(snippet):
    command = [RUFF, "format", "--config", str(ROOT / "pyproject.toml"), "--stdin-filename", "snippet.py", "-"]
    formatted = subprocess.run(command, input=snippet, capture_output=True, text=True, check=True).stdout
    assert formatted == snippet


@pytest.mark.parametrize("kind", ["detectors", "scorers", "interventions"])
def test_a_registration_is_the_one_of_the_package_with_one_entry_more(kind):
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    [snippet] = [
        code for code in re.findall(r"```python\n(.*?)```", contributing, re.DOTALL) if f"def register_{kind}" in code
    ]
    shown = set(re.findall(r'"(\w+)": (\w+)', snippet))
    page = Path(neurosieve_plugins.__file__).read_text("utf-8")
    registered = page.partition(f"def register_{kind}")[2].partition("\n\n\n")[0]
    assert shown > set(re.findall(r'"(\w+)": (\w+)', registered))
    assert len(shown) == len(set(re.findall(r'"(\w+)": (\w+)', registered))) + 1
