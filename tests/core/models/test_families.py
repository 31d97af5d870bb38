"""What can be done with each family of models: read, edited, generated with. The table in docs/models.md says it."""

import copy
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from families import FAMILIES, family_model

from neurosieve import ModelError, Neuron
from neurosieve.ablation.edit import Edit
from neurosieve.ablation.editing_hooks import Edits
from neurosieve.generation.completion import complete, prompt_tokens
from neurosieve.generation.requests import Request
from neurosieve.generation.sampling import Sampling
from neurosieve.models.architectures import atlas_of
from neurosieve.models.assumptions import check_model
from neurosieve.models.loading import hand_over
from neurosieve.models.reading_hooks import read
from neurosieve.models.sites import KINDS
from neurosieve.models.tiny import tiny_model
from neurosieve_plugins.interventions.zero import Zero

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")]

TABLE = Path(__file__).parents[3] / "docs/models.md"
IDS = [np.random.default_rng(0).integers(2, 512, size=length) for length in (17, 5, 11)]
TOLERANCE = 1e-5


class Row(NamedTuple):
    """What was found out of a family."""

    reads: tuple[str, ...]
    """The kinds of site that it has."""
    one_way: bool | None
    """None where it cannot be read at all."""
    error: float
    """The largest difference between a batch and plain hooks, one text at a time, as a share of the site's size."""
    edits: tuple[str, ...]
    generates: bool


def plain_activations(model, path, enters):
    """What enters or leaves a module in one unpadded forward pass of the whole model a text."""
    seen = []

    def see(_, given, left=None):
        value = given if left is None else left
        # A copy: some layers add to it in place.
        seen.append((value[0] if isinstance(value, tuple) else value).flatten(0, -2).clone())

    module = model.get_submodule(path)
    hook = module.register_forward_pre_hook(see) if enters else module.register_forward_hook(see)
    with torch.no_grad():
        for ids in IDS:
            model(input_ids=torch.from_numpy(ids)[None])
    hook.remove()
    return torch.cat(seen)


def reading_error(lm, atlas, family):
    """Read a batch, and compare it with plain hooks; on the paths that are written down by hand, where there are."""
    activations = read(lm, atlas, atlas.sites, IDS, [np.arange(len(ids)) for ids in IDS])
    by_hand = {"mlp_post": family.down, "resid_post": family.layer}.get(atlas.kind)
    worst = 0.0
    for site in atlas.sites:
        path = by_hand.format(site.layer) if by_hand else atlas.modules[site.layer]
        expected = plain_activations(lm.module, path, atlas.what.enters)
        difference = (activations[site] - expected).abs().max()
        worst = max(worst, float(difference / expected.square().mean().sqrt()))
    return worst


def is_edited(lm, atlas):
    """Whether zeroing a neuron equals a projection without its weights, and matters."""
    ids = torch.from_numpy(np.stack([IDS[0], IDS[0][::-1].copy()]))
    neuron = Neuron(1, 5)
    edits = Edits(lm, atlas, Edit(Zero(), {neuron: torch.ones(3)}))
    with torch.inference_mode():
        with edits:
            edits.begin([0, 1], [0, 0])
            edited = lm.module(input_ids=ids, use_cache=False).logits
        plain = lm.module(input_ids=ids).logits
    without = copy.deepcopy(lm.module)
    projection = without.get_submodule(atlas.modules[1])
    with torch.no_grad():
        (projection.weight if type(projection).__name__ == "Conv1D" else projection.weight.T)[5] = 0
        expected = without(input_ids=ids).logits
    assert (plain - expected).abs().max() > 1e-4
    torch.testing.assert_close(edited, expected, rtol=1e-4, atol=1e-5)
    return True


def generates(lm):
    """Whether two prompts at once, with padding and a cache, give what a plain loop gives each alone."""
    requests = [Request(name, prompt, 0) for name, prompt in (("a", "Let me add the apples"), ("b", "So"))]
    made = complete(
        lm, requests, Sampling(temperature=0.0, max_new_tokens=6), rows_per_batch=2, announce=lambda *_, **__: 0
    )
    for completion in made:
        ids = list(prompt_tokens(lm.tokenizer, completion.request.prompt))
        expected = []
        while len(expected) < 6:
            with torch.no_grad():
                token = int(lm.module(input_ids=torch.tensor([ids + expected])).logits[0, -1].argmax())
            if token == 1:
                break
            expected.append(token)
        assert list(completion.token_ids) == expected
    return True


@cache
def examined(name):
    family, lm = FAMILIES[name], hand_over(family_model(name), tiny_model()[1], name=name)
    atlases = {}
    for kind in KINDS:
        try:
            atlases[kind] = atlas_of(lm, kind)
        except ModelError:
            continue
    try:
        for atlas in atlases.values():
            check_model(lm, atlas, atlas.sites)
    except ModelError:
        return Row((), False, 0.0, (), False)
    if not atlases:
        return Row((), None, 0.0, (), False)
    error = max(reading_error(lm, atlas, family) for atlas in atlases.values())
    edits = tuple(kind for kind, atlas in atlases.items() if atlas.what.enters and is_edited(lm, atlas))
    return Row(tuple(atlases), True, error, edits, generates(lm))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_is_read_as_plain_hooks_read_each_text_alone(name):
    row = examined(name)
    assert row.error < TOLERANCE
    assert ("mlp_post" in row.reads) == (row.one_way is True and FAMILIES[name].down is not None)


@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "EmbeddingGemma"])
def test_a_family_that_attends_both_ways_is_refused(name):
    assert examined(name).one_way is False


def table():
    lines = [
        "# Models",
        "",
        "Made by `PYTHONPATH=tests python tests/core/models/test_families.py > docs/models.md`; a test fails where it "
        "differs.",
        "",
        "Each family is a tiny model with random weights. *Reads*: the kinds of site (`site=`) whose activations, read "
        "in a batch,",
        f"equal those of plain hooks on one text at a time, to {TOLERANCE:g} of their size. *Attends one way*: later "
        "tokens change no",
        "earlier activation; a model that fails is refused. *Edits*: a neuron that is zeroed there equals a projection "
        "without its",
        "weights. *Generates*: prompts in one batch give what a plain loop gives each alone.",
        "",
        "| family | its layers | reads | attends one way | edits | generates |",
        "|---|---|---|---|---|---|",
    ]
    words = {True: "yes", False: "no: refused", None: "not read"}
    for name, family in FAMILIES.items():
        row = examined(name)
        sites, edits = (", ".join(f"`{kind}`" for kind in kinds) or "–" for kinds in (row.reads, row.edits))
        generated = "yes" if row.generates else "–"
        lines.append(f"| {name} | {family.what} | {sites} | {words[row.one_way]} | {edits} | {generated} |")
    return "\n".join(lines) + "\n"


def test_the_table_of_the_documentation_says_what_the_code_does():
    assert len(FAMILIES) >= 25
    assert TABLE.read_text(encoding="utf-8") == table(), "make it again, as its first line says"


if __name__ == "__main__":
    print(table(), end="")
