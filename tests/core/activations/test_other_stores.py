"""A store that holds a model's activations in other terms is never mixed in, and said by name."""

import json

import numpy as np
import pytest
import torch

from neurosieve import Site
from neurosieve.activations.other_stores import warn_of_other_stores
from neurosieve.activations.store import Space, document_keys
from neurosieve.cli import main

SITES = (Site(0), Site(1))
KEYS, TOKENS = document_keys([np.arange(3)] * 2).copy(), np.array([0, 1], dtype=np.int32)


def space(folder, weights="weights", dtype=torch.float32, sites=SITES, name="gemma", filled=False):
    made = Space(weights, sites, dtype, folder, name)
    if filled:
        made.write(KEYS, TOKENS, {site: torch.zeros(2, 4, dtype=dtype) for site in sites})
    return made


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"dtype": torch.bfloat16}, "`gemma` in bfloat16, where this run reads float32; they are kept apart"),
        ({"weights": "older"}, "by other weights than those it has now"),
        ({"dtype": torch.bfloat16, "weights": "older"}, "reads float32, and by other weights"),
    ],
)
def test_what_differs_is_said_by_name(tmp_path, other, said):
    space(tmp_path, filled=True, **other)
    here = space(tmp_path)
    assert not here.has(KEYS, TOKENS).any()
    [told] = warn_of_other_stores(here)
    assert said in told


def test_a_space_of_another_version_is_said_by_its_format(tmp_path):
    older = space(tmp_path, weights="older", filled=True).folder
    about = json.loads((older / "space.json").read_text()) | {"format": 0, "weights": "weights"}
    (older / "space.json").write_text(json.dumps(about))
    [told] = warn_of_other_stores(space(tmp_path))
    assert "in the format 0 of another version of neurosieve, where this one writes 1" in told


def test_nothing_is_said_where_nothing_is_to_be_told(tmp_path):
    space(tmp_path, name="another model", weights="its own", filled=True)
    space(tmp_path, dtype=torch.bfloat16)  # Empty itself.
    space(tmp_path, sites=(Site(0),), filled=True)  # Other layers were asked for, in so many words.
    assert warn_of_other_stores(space(tmp_path)) == []
    space(tmp_path, dtype=torch.float16, filled=True)
    assert warn_of_other_stores(space(tmp_path, filled=True)) == []


@pytest.mark.parametrize("held", ["", "{", "[]", "{}", "null", '{"model": "gemma"}', "\x00\xff"])
def test_a_space_that_cannot_be_read_is_counted_and_left_alone(tmp_path, held, capsys):
    other = space(tmp_path, weights="older", filled=True).folder
    (other / "space.json").write_bytes(held.encode("latin-1"))
    [told] = warn_of_other_stores(space(tmp_path))
    assert told == "left alone, as nothing says what it holds: 1 folder of the store"
    main(["cache", "--store", str(tmp_path)])
    assert other.name in capsys.readouterr().out


def test_a_space_whose_own_description_was_spoilt_still_gives_what_it_holds(tmp_path):
    made = space(tmp_path, filled=True)
    (made.folder / "space.json").write_text("{")
    assert space(tmp_path).has(KEYS, TOKENS).all()
