"""Tiny models with neurons that are known to fire at a behaviour, and texts that show it."""

from functools import cache

import numpy as np
import torch

from neurosieve import Document, Span
from neurosieve.models.tiny import tiny_model


def words(tokenizer, count=24):
    """Single tokens, each a word after a space: the first half is the behaviour, the other half all other text."""
    return sorted(token[1:] for token in tokenizer.get_vocab() if token[0] == "Ġ" and token[1:].isalpha())[:count]


@cache
def _known(count=24):
    return words(tiny_model()[1], count)


def plant(model, tokenizer, planted):
    """Edit a Qwen 2 model so that the neurons fire on the behaviour's words and nowhere else.

    One residual dimension is reserved: nothing but the embedding of these words writes there, and nothing but the
    gate and up rows of the planted neurons reads it.
    """
    with torch.no_grad():
        reserve(model, range(1))
        _mark(model, tokenizer, 0, words(tokenizer)[:12])
        for neuron in planted:
            _fire(model, neuron, 0, 0)
    return model


KINDS = {"token detector": (0, 5), "behaviour": (1, 9), "anticipates": (1, 70), "not replicated": (0, 101)}
"""The neuron of each kind that `plant_kinds` plants."""


def plant_kinds(model, tokenizer):
    """Edit a Qwen 2 model so that one neuron fires on the words that a slip can be, one on slips alone, one between the
    cue of a slip and the slip, and one on every other word, whatever it is.

    Four residual dimensions are reserved: what marks such words, the cue, whether it has been, and every other word.
    """
    known = words(tokenizer, 25)
    with torch.no_grad():
        reserve(model, range(4))
        for dimension, marked in ((0, known[:12]), (1, known[24:]), (3, known[:24:2])):
            _mark(model, tokenizer, dimension, marked)
        first, second = (layer.self_attn for layer in model.model.layers[:2])
        first.o_proj.weight[:] = 0  # In the first layer a neuron knows nothing but the word.
        # In the second, one head looks at all words alike, for the cue.
        width = first.head_dim
        second.q_proj.weight[:width] = second.q_proj.bias[:width] = 0
        second.v_proj.weight[0] = second.v_proj.bias[0] = 0
        second.v_proj.weight[0, 1] = second.o_proj.weight[2, 0] = 1
        for kind, dimensions in (("token detector", (0, 0)), ("behaviour", (2, 0)), ("anticipates", (2, 2))):
            _fire(model, KINDS[kind], *dimensions)
        _fire(model, KINDS["not replicated"], 3, 3)
    return model


def cued_texts(documents=120, seed=0):
    """Words at random; every other document ends in the cue, a word, and a slip: a word that others have too."""
    rng = np.random.default_rng(seed)
    known = _known(25)
    made = []
    for number in range(documents):
        text = "".join(f" {one}" for one in rng.choice(known[:24], rng.integers(30, 40)))
        spans = ()
        if number % 2 == 0:
            slip = known[number // 2 % 12]
            text += f" {known[24]} {rng.choice(known[12:24])} {slip}"
            spans = (Span(len(text) - len(slip), len(text), "slip"),)
        made.append(Document(f"d{number:03}", text, f"problem {number}", 0, spans))
    return made


def reserve(model, dimensions):
    """Let nothing write or read some residual dimensions."""
    dimensions = list(dimensions)
    model.model.embed_tokens.weight[:, dimensions] = 0
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        for writer in (attention.o_proj, mlp.down_proj):
            writer.weight[dimensions] = 0
        for reader in (attention.q_proj, attention.k_proj, attention.v_proj, mlp.gate_proj, mlp.up_proj):
            reader.weight[:, dimensions] = 0


def _mark(model, tokenizer, dimension, marked):
    model.model.embed_tokens.weight[[tokenizer.convert_tokens_to_ids(f"Ġ{word}") for word in marked], dimension] = 1


def read_by(model, neuron, gate, up):
    """Let the gate and the up row of a neuron read nothing but some dimensions, which are given with their weights."""
    layer, column = neuron
    mlp = model.model.layers[layer].mlp
    for projection, weights in ((mlp.gate_proj, gate), (mlp.up_proj, up)):
        projection.weight[column] = 0
        for dimension, weight in weights.items():
            projection.weight[column, dimension] = weight


def _fire(model, neuron, gate, up):
    """Let a neuron fire where both dimensions are written."""
    read_by(model, neuron, {gate: 1}, {up: 1})


def texts(documents=60, seed=0):
    """Words at random; in every other document one of the behaviour's, which is annotated."""
    rng = np.random.default_rng(seed)
    known = _known()
    made = []
    for number in range(documents):
        before, after = ("".join(f" {one}" for one in rng.choice(known[12:], rng.integers(15, 30))) for _ in "ab")
        shown = f" {known[number // 2 % 12]}" if number % 2 == 0 else ""
        spans = (Span(len(before) + 1, len(before) + len(shown), "slip"),) if shown else ()
        group = f"problem {number // 2 if number < 8 else number}"
        made.append(Document(f"d{number:03}", before + shown + after, group, 0, spans))
    return made


def drive(model, tokenizer, driver, at_slip=(), at_cue=(), everywhere=()):
    """Edit a Qwen 2 model so that a neuron fires on the cue alone and makes the word that follows, the slip, likelier.

    Of the neurons that fire there and do nothing to the slip, those `at_slip` fire on the slip itself, and those
    `at_cue` on the cue, but nothing reads what they write. Those `everywhere` fire on all words, and make all words of
    the texts likelier than what the texts never hold.
    """
    known = words(tokenizer, 25)
    slip = tokenizer.convert_tokens_to_ids(f"Ġ{known[0]}")
    with torch.no_grad():
        reserve(model, range(2))
        _mark(model, tokenizer, 0, known[24:])
        _mark(model, tokenizer, 1, known[:1])
        for neuron in (driver, *at_cue):
            _fire(model, neuron, 0, 0)
        for neuron in at_slip:
            _fire(model, neuron, 1, 1)
        for layer, neuron in at_cue:
            model.model.layers[layer].mlp.down_proj.weight[:, neuron] = 0
        layer, neuron = driver
        model.model.layers[layer].mlp.down_proj.weight[2:, neuron] = 3 * model.lm_head.weight[slip, 2:]
        if everywhere:
            _raise_all(model, tokenizer, everywhere, known)
    return model


def drive_together(model, tokenizer, drivers):
    """Edit a Qwen 2 model so that some neurons, all alike, make the slip likelier behind the cue, and no other does.

    Two residual dimensions are reserved: the embedding of the cue alone writes the first, which these neurons alone
    read; they alone write the second, which the unembedding of the slip alone reads. All other neurons are next to
    mute.
    """
    cue, slip = (tokenizer.convert_tokens_to_ids(f"Ġ{words(tokenizer, 25)[place]}") for place in (24, 0))
    with torch.no_grad():
        reserve(model, range(2))
        model.model.embed_tokens.weight[cue, 0] = 2
        model.lm_head.weight[:, :2] = 0
        model.lm_head.weight[slip, 1] = 2
        for layer in model.model.layers:
            layer.mlp.down_proj.weight *= 0.01
        for layer, neuron in drivers:
            _fire(model, (layer, neuron), 0, 0)
            model.model.layers[layer].mlp.down_proj.weight[:, neuron] = 0
            model.model.layers[layer].mlp.down_proj.weight[1, neuron] = 2 / len(drivers)
    return model


def _raise_all(model, tokenizer, planted, known):
    """Let neurons fire on the known words, and write what makes each of them likelier, whichever it is.

    They read one residual dimension more, and write another, which nothing but the unembedding of these words reads.
    """
    ids = [tokenizer.convert_tokens_to_ids(f"Ġ{word}") for word in known]
    read, written = 2, 3
    reserve(model, (read, written))
    _mark(model, tokenizer, read, known)
    model.lm_head.weight[:, written] = 0
    model.lm_head.weight[ids, written] = 2
    for layer, neuron in planted:
        _fire(model, (layer, neuron), read, read)
        model.model.layers[layer].mlp.down_proj.weight[:, neuron] = 0
        model.model.layers[layer].mlp.down_proj.weight[written, neuron] = 1


def driven_texts(documents=60, seed=0):
    """Words at random; every other document holds the cue and then the slip, the same word each time."""
    rng = np.random.default_rng(seed)
    known = _known(25)
    made = []
    for number in range(documents):
        before, after = ("".join(f" {one}" for one in rng.choice(known[1:24], rng.integers(15, 30))) for _ in "ab")
        shown = f" {known[24]} {known[0]}" if number % 2 == 0 else ""
        start = len(before) + len(known[24]) + 2
        spans = (Span(start, start + len(known[0]), "slip"),) if shown else ()
        made.append(Document(f"d{number:03}", before + shown + after, f"problem {number}", 0, spans))
    return made
