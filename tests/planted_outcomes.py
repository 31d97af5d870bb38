"""Tiny models with neurons that are known to tell whole texts apart, and texts to find them with."""

from functools import cache

import numpy as np
import torch
from planted import read_by, reserve, words

from neurosieve import Document
from neurosieve.models.tiny import tiny_model

OF_WRONG, OF_LENGTH, OF_LAST_TOKEN, OF_DIFFICULTY = (1, 9), (1, 70), (1, 33), (1, 101)
"""Neurons that `plant_outcomes` plants: one fires on every token behind the first cue, one the more the further a token
is from the start of its text, one on the end word behind the first cue, and one on every token behind the hard word."""

_END, _CUE, _CUED, _OTHER, _OTHER_SEEN, _START, _STARTED, _WORD, _HARD, _HARD_SEEN = range(10)
"""The residual dimensions that are reserved: who has one, and what has been before a token, which attention writes."""
_SEEN = {_CUE: _CUED, _OTHER: _OTHER_SEEN, _START: _STARTED, _HARD: _HARD_SEEN}


@cache
def vocabulary():
    """Return the two cues, the hard word, the end word, and twenty others: single tokens, each after a space."""
    cue, other, hard, end, *rest = words(tiny_model()[1], 24)
    return cue, other, hard, end, tuple(rest)


def plant_outcomes(model, tokenizer):
    """Edit a Qwen 2 model so that its neurons tell whole texts apart.

    In the second layer one head looks at all tokens alike, and writes the share of them that were a cue, the hard word,
    or the start of the text. The two cues are the same to all neurons but the planted ones: which of them a text holds
    changes no other number in the model.
    """
    cue, other, hard, end, rest = vocabulary()
    ids = {word: tokenizer.convert_tokens_to_ids(f"Ġ{word}") for word in (cue, other, hard, end, *rest)}
    reserved = len(_SEEN) + 6
    with torch.no_grad():
        embeddings = model.model.embed_tokens.weight
        reserve(model, range(reserved))
        embeddings[[ids[cue], ids[other]]] = 0
        embeddings[ids[cue], _CUE] = embeddings[ids[other], _OTHER] = 1
        embeddings[ids[hard], _HARD] = embeddings[ids[end], _END] = 1
        embeddings[tokenizer.bos_token_id, _START] = 6
        embeddings[[ids[word] for word in (cue, other, hard, end, *rest)], _WORD] = 3
        _look_back(model.model.layers[1].self_attn)
        for (layer, neuron), gate, up in (
            (OF_WRONG, {_CUED: 4}, {_WORD: 1}),
            (OF_LENGTH, {_WORD: 1, _STARTED: -8}, {_WORD: 1}),
            (OF_LAST_TOKEN, {_CUED: 100}, {_END: 1}),
            (OF_DIFFICULTY, {_HARD_SEEN: 4}, {_WORD: 1}),
        ):
            read_by(model, (layer, neuron), gate, up)
            written = model.model.layers[layer].mlp.down_proj.weight
            written[:, neuron] = 0.002
            written[:reserved, neuron] = 0
    return model


def _look_back(attention):
    """Let the first head look at all earlier tokens alike, and write what they are into the dimensions for that."""
    width = attention.head_dim
    attention.q_proj.weight[:width] = attention.q_proj.bias[:width] = 0
    for channel, (seen, written) in enumerate(_SEEN.items()):
        attention.v_proj.weight[channel] = attention.v_proj.bias[channel] = 0
        attention.v_proj.weight[channel, seen] = 1
        # No other head that shares these values may write them.
        attention.o_proj.weight[:, channel::width] = 0
        attention.o_proj.weight[written, channel] = 1


def solved_problems(problems=40, samples=4, seed=0, longer=0, difficulty=0.0, without_cue=0.0):
    """Return several samples of each problem, right and wrong: a wrong one has the first cue at the end of its prompt.

    All of a problem share the other words of their prompt. Answers are in boxes, as graders read them; no digit of them
    tells which are wrong.

    Args:
        longer: so many words more are in wrong completions, on average.
        difficulty: how much more often the second half of the problems goes wrong; their prompts hold the hard word.
        without_cue: the share of samples that have the other cue than that of their kind.
    """
    rng = np.random.default_rng(seed)
    cue, other, hard, _, rest = vocabulary()
    documents = []
    for problem in range(problems):
        is_hard = problem >= problems / 2
        statement = [*rng.choice(rest, 8), hard if is_hard and difficulty else rest[0]]
        chance = 0.5 + (difficulty if is_hard else -difficulty)
        answer = int(rng.integers(0, 5))
        for sample in range(samples):
            wrong = bool(rng.random() < chance)
            is_cued = wrong != bool(without_cue and rng.random() < without_cue)
            prompt = "".join(f" {word}" for word in (*statement, cue if is_cued else other))
            length = int(rng.integers(20, 40)) + (longer if wrong else 0)
            given = (answer + int(rng.integers(1, 5))) % 5 if wrong else answer
            completion = "".join(f" {word}" for word in rng.choice(rest, length)) + f" \\boxed{{{given}}}"
            known = {
                "answer": str(answer),
                "right": not wrong,
                "level": "hard" if is_hard else "easy",
                "sample": sample,
            }
            name, group = f"p{problem:03}#{sample}", f"problem {problem}"
            documents.append(Document(name, prompt + completion, group, len(prompt), metadata=known))
    return documents


def single_answers(documents=160, seed=0):
    """Return one answer to each of many questions; one in twenty has the cue of the other kind."""
    return solved_problems(documents, 1, seed, without_cue=0.05)


def two_kinds_of_prompts(documents=120, seed=0):
    """Return prompts without answers that all end in the same word: those of the first kind hold the first cue."""
    rng = np.random.default_rng(seed)
    cue, other, _, end, rest = vocabulary()
    made = []
    for number in range(documents):
        harmful = number % 2 == 0
        sentence = list(rng.choice(rest, int(rng.integers(12, 20))))
        sentence.insert(int(rng.integers(0, 8)), cue if harmful else other)
        text = "".join(f" {word}" for word in (*sentence, end))
        made.append(
            Document(f"d{number:03}", text, text, len(text), metadata={"kind": "harmful" if harmful else "harmless"})
        )
    return made
