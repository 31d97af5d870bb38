"""What a run's start need not do again."""

import json
import os
import re
import subprocess
import sys

import pytest

from neurosieve.disk import cache_folder, computed_once
from neurosieve.models.architectures import atlas_of
from neurosieve.models.fingerprints import folder_hash
from neurosieve.models.loading import hand_over
from neurosieve.models.sites import KINDS
from neurosieve.models.tiny import tiny_model

FIND = "from neurosieve.cli import main; main(sys.argv[1:])"
HEAVY = {"transformer_lens", "scipy.stats", "datasets", "sklearn", "altair"}
ASKS = f"import sys\n{FIND}\nprint(*({HEAVY!r} & {{*sys.modules}}))"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))


def settle(folder):
    """Let the files of a folder be older than they are, in all but their time of change, which nobody can set."""
    for file in folder.iterdir():
        os.utime(file, (1, 1))


@pytest.mark.slow
def test_plans_import_nothing_that_takes_seconds_once_a_models_atlas_is_known(tmp_path):
    def plan():
        given = [sys.executable, "-c", ASKS, "plan", "model=tiny", f"hydra.run.dir={tmp_path}/run"]
        return subprocess.run(given, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.splitlines()

    first, again = plan(), plan()
    assert "transformer_lens" in first[-1]
    assert again[-1] == ""
    speed = re.compile(r"about .* of reading on this machine")
    assert [speed.sub("", line) for line in first[:-1]] == [speed.sub("", line) for line in again[:-1]]


@pytest.mark.parametrize("kind", [*KINDS])
def test_an_atlas_is_the_same_from_the_cache(kind):
    lm = hand_over(*tiny_model())
    worked_out = atlas_of(lm, kind)
    [kept] = (cache_folder() / "atlases").iterdir()
    assert atlas_of(lm, kind) == worked_out
    kept.write_text(kept.read_text().replace("down_proj", "elsewhere"))
    assert (atlas_of(lm, kind) == worked_out) == ("down_proj" not in str(worked_out))  # It was read.


@pytest.mark.parametrize("other", [{"layers": 2}, {"name": "another"}])
def test_another_config_or_name_has_an_atlas_of_its_own(other):
    model, tokenizer = tiny_model()
    atlas_of(hand_over(model, tokenizer))
    if "layers" in other:
        model.config.num_hidden_layers = other["layers"]
    assert len(atlas_of(hand_over(model, tokenizer, other.get("name"))).modules) == model.config.num_hidden_layers
    assert len(list((cache_folder() / "atlases").iterdir())) == 2


@pytest.mark.parametrize("there", ["", "{", "\x00\xff"])
def test_what_is_not_whole_in_the_cache_is_worked_out_again(there):
    assert computed_once("shelf", "what", lambda: [1, None]) == [1, None]
    [kept] = (cache_folder() / "shelf").iterdir()
    kept.write_text(there, encoding="latin-1")
    assert computed_once("shelf", "what", lambda: [2]) == [2]
    assert json.loads(kept.read_text()) == [2]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "cache").write_text("a file where a folder belongs")
    assert computed_once("shelf", "what", lambda: 1) == 1


def test_the_hash_of_a_folder_is_kept_while_its_files_stand_and_no_longer(tmp_path, monkeypatch):
    monkeypatch.setattr("neurosieve.models.fingerprints._SETTLED", -60)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    settle(folder)
    first = folder_hash(folder)
    assert len(list((cache_folder() / "fingerprints").iterdir())) == 1
    assert folder_hash(folder) == first
    # Other weights of the same size and time of modification.
    (folder / "model.safetensors").write_bytes(b"WEIGHTS")
    settle(folder)
    second = folder_hash(folder)
    assert second != first
    (folder / "other").write_bytes(b"weights")
    settle(folder)
    (folder / "other").rename(folder / "model.safetensors")
    assert folder_hash(folder) == first


def test_the_hash_of_files_that_were_just_written_is_not_kept(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    first = folder_hash(tmp_path)
    assert not (cache_folder() / "fingerprints").exists()
    (tmp_path / "config.json").write_text("[]")
    assert folder_hash(tmp_path) != first
