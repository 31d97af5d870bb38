"""A completion is drawn from the model's distribution by its prompt and its seed, and by nothing else in the batch."""

import copy
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest

from neurosieve import ConfigError, ModelError
from neurosieve.generation.completion import complete, prompt_tokens
from neurosieve.generation.requests import Request
from neurosieve.generation.sampling import Sampler, Sampling, gumbel_noise
from neurosieve.generation.trace_store import TraceStore
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import hand_over
from neurosieve.models.tiny import tiny_model

WORDS = "Let me add the apples first. I have 12 apples and I buy 7 more. She walks to the shop at 9 and takes the bus"
PROMPTS = [WORDS[: 7 + 13 * number] for number in range(8)]
REQUESTS = [Request(f"r{number}", prompt, number % 3) for number, prompt in enumerate(PROMPTS)]
SAMPLING = Sampling(temperature=1.0, top_p=0.92, max_new_tokens=24)


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_model()[1]


def config_of(architecture, vocabulary):
    from transformers import Gemma3TextConfig, GPT2Config, GPTNeoXConfig, OPTConfig, Qwen2Config

    small = {"vocab_size": vocabulary, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None}
    if architecture == "gpt2":
        return GPT2Config(**small, n_embd=32, n_layer=2, n_head=2, n_positions=256)
    if architecture == "opt":
        small |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "pad_token_id": 1}
        return OPTConfig(**small, ffn_dim=64, word_embed_proj_dim=32, max_position_embeddings=256)
    small |= {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "max_position_embeddings": 256,
    }
    if architecture == "gpt_neox":
        return GPTNeoXConfig(**small)
    small["num_key_value_heads"] = 1
    if architecture == "gemma3":  # Two of its layers see no more than 8 tokens back.
        layers = ["sliding_attention", "full_attention", "sliding_attention"]
        return Gemma3TextConfig(**small, head_dim=16, sliding_window=8, layer_types=layers)
    return Qwen2Config(**small)


@pytest.fixture(scope="module", params=["qwen2", "gpt2", "gemma3", "gpt_neox", "opt"])
def model(request, tokenizer):
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    module = AutoModelForCausalLM.from_config(config_of(request.param, len(tokenizer))).eval()
    with torch.no_grad():
        for parameter in module.parameters():  # Livelier than the usual start, so that what is read matters.
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.15)
    return hand_over(module, tokenizer, name=request.param)


@pytest.fixture(scope="module")
def tiny():
    return hand_over(*tiny_model(), name="tiny")


def nobody(*_, **__):
    """Hear nothing."""


def made(model, requests=REQUESTS, sampling=SAMPLING, rows=8, **options):
    options.setdefault("announce", nobody)
    return {one.request.id: one for one in complete(model, requests, sampling, rows_per_batch=rows, **options)}


def test_eight_at_once_are_what_each_is_alone(model):
    together = made(model)
    assert together.keys() == {request.id for request in REQUESTS}
    for rows in (1, 3):
        assert made(model, rows=rows) == together


def test_the_order_of_requests_changes_nothing(model):
    assert made(model, REQUESTS[::-1], rows=3) == made(model)


def test_greedy_completions_are_those_of_a_plain_loop_without_padding_or_cache(model):
    greedy = Sampling(temperature=0.0, max_new_tokens=12)
    for one in made(model, sampling=greedy).values():
        ids = list(prompt_tokens(model.tokenizer, one.request.prompt))
        expected = []
        for _ in range(12):
            with torch.no_grad():
                token = int(model.module(torch.tensor([ids + expected])).logits[0, -1].argmax())
            if token == 1:
                break
            expected.append(token)
        assert list(one.token_ids) == expected


def test_sampled_completions_are_those_of_a_plain_loop_over_the_same_draws(model):
    from transformers import TemperatureLogitsWarper, TopPLogitsWarper

    for one in list(made(model).values())[:3]:
        ids = list(prompt_tokens(model.tokenizer, one.request.prompt))
        row = next(iter(rows_of(model, [one.request])))
        expected = []
        for step in range(SAMPLING.max_new_tokens):
            with torch.no_grad():
                scores = model.module(torch.tensor([ids + expected])).logits[:, -1].float()
            warped = TopPLogitsWarper(SAMPLING.top_p)(None, TemperatureLogitsWarper(SAMPLING.temperature)(None, scores))
            every = torch.arange(scores.shape[1])[None]
            token = int((warped.double() + gumbel_noise(torch.tensor([row]), step, every)).argmax())
            if token == 1:
                break
            expected.append(token)
        assert list(one.token_ids) == expected


class Listening:
    """Edits that do nothing, but hear of each batch."""

    address = "listening"

    def __init__(self):
        self.batches = []

    def begin(self, seeds, first):
        self.batches.append((list(seeds), list(first)))


def rows_of(model, requests):
    edits = Listening()
    made(model, requests, edits=edits)
    return [seed for seeds, _ in edits.batches for seed in seeds]


def test_edits_hear_the_seed_of_each_row_and_where_its_text_starts(tiny):
    edits = Listening()
    made(tiny, rows=3, edits=edits)
    assert [len(seeds) for seeds, _ in edits.batches] == [3, 3, 2]
    alone = {request.id: rows_of(tiny, [request])[0] for request in REQUESTS}
    assert sorted(alone.values()) == sorted(seed for seeds, _ in edits.batches for seed in seeds)
    assert len(set(alone.values())) == 8
    lengths = {alone[request.id]: len(prompt_tokens(tiny.tokenizer, request.prompt)) for request in REQUESTS}
    for seeds, first in edits.batches:
        longest = max(lengths[seed] for seed in seeds)
        # The prompt's own first token is the one that begins a text.
        assert first == [longest - lengths[seed] + 1 for seed in seeds]


def test_another_seed_or_another_prompt_is_another_draw(tiny):
    requests = [Request(f"{seed}", PROMPTS[3], seed) for seed in range(20)]
    assert len({one.text for one in made(tiny, requests).values()}) == 20
    one, other = made(tiny, [Request("a", PROMPTS[3], 0), Request("b", PROMPTS[3] + " ", 0)]).values()
    assert rows_of(tiny, [one.request]) != rows_of(tiny, [other.request])


def sampled(scores, sampling, draws):
    """Return which token was drawn, for as many rows of the same scores, each with a seed of its own."""
    rows = torch.tensor(scores).expand(draws, -1)
    return Sampler(sampling, range(draws), "test")(None, rows).argmax(dim=1)


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.4, 1.0), (1.0, 0.92), (0.7, 0.6), (2.0, 0.3)])
def test_tokens_are_drawn_as_often_as_the_warped_distribution_says(temperature, top_p):
    from transformers import TemperatureLogitsWarper, TopPLogitsWarper

    scores = [2.0, 1.5, 1.0, 0.3, 0.0, -0.5, -1.0, -2.0]
    warped = TemperatureLogitsWarper(temperature)(None, torch.tensor([scores]))
    if top_p < 1:
        warped = TopPLogitsWarper(top_p)(None, warped)
    expected = torch.softmax(warped[0].double(), dim=0).numpy()
    drawn = sampled(scores, Sampling(temperature, top_p), 20_000)
    counts = np.bincount(drawn.numpy(), minlength=8)
    assert (counts[expected == 0] == 0).all()
    there = expected > 0
    assert chisquare(counts[there], 20_000 * expected[there]).pvalue > 0.001


def test_draws_of_following_steps_and_of_following_seeds_are_independent():
    seeds, tokens = torch.arange(4000), torch.arange(3).expand(4000, -1)
    steps = torch.stack([gumbel_noise(seeds, step, tokens) for step in range(4)], dim=1)
    values = steps.reshape(4000, -1)
    assert kstest(values.flatten().numpy(), "gumbel_r").pvalue > 0.001
    correlations = np.corrcoef(values.numpy().T)[~np.eye(12, dtype=bool)]
    assert np.abs(correlations).max() < 4 / np.sqrt(4000)
    following = np.corrcoef(values[:-1, 0].numpy(), values[1:, 0].numpy())[0, 1]
    assert abs(following) < 4 / np.sqrt(4000)


@pytest.mark.parametrize("vocabulary", [50, 300, 20_000])
@pytest.mark.parametrize("spread", [0.01, 1.0, 5.0])
def test_the_top_p_set_is_that_of_transformers_for_narrow_and_wide_sets(vocabulary, spread):
    from transformers import TopPLogitsWarper

    scores = spread * torch.randn(4, vocabulary, generator=torch.Generator().manual_seed(0))
    tokens, logits = Sampler(Sampling(1.0, 0.9), range(4), "test")._candidates(scores)
    for row in range(4):
        kept = set(tokens[row][logits[row] > -torch.inf].tolist())
        warped = TopPLogitsWarper(0.9)(None, scores[row : row + 1])[0]
        theirs = set(torch.nonzero(warped > -torch.inf).flatten().tolist())
        # Their sums are in float32, so that the last token of a wide set may be in or out.
        assert len(kept ^ theirs) <= max(1, len(theirs) // 2000)
    assert torch.allclose(
        logits, torch.log_softmax(scores, -1).gather(1, tokens).double().where(logits > -torch.inf, logits)
    )


def test_the_noise_is_that_of_splitmix64():
    def splitmix(state, count):  # As published, with 64-bit arithmetic.
        out = []
        for _ in range(count):
            state = (state + 0x9E3779B97F4A7C15) % 2**64
            value = state
            value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
            value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
            out.append(value ^ (value >> 31))
        return out

    [first] = splitmix(2**64 - 0x9E3779B97F4A7C15 + 123, 1)  # The mix of 123 alone.
    stream = splitmix(splitmix(first, 6)[-1], 5)
    uniform = (np.array([value >> 12 for value in stream], dtype=np.float64) + 0.5) / 2**52
    found = gumbel_noise(torch.tensor([123]), 5, torch.arange(5)[None])[0]
    assert found.numpy() == pytest.approx(-np.log(-np.log(uniform)), rel=1e-12)


def test_the_settings_that_a_model_brings_do_not_leak_in(tiny):
    from transformers import GenerationConfig

    module = copy.deepcopy(tiny.module)
    greedy = Sampling(temperature=0.0, max_new_tokens=24)
    plain, drawn = made(tiny, sampling=greedy), made(tiny)
    module.generation_config = GenerationConfig(
        do_sample=True,
        temperature=5.0,
        top_k=2,
        top_p=0.1,
        repetition_penalty=5.0,
        no_repeat_ngram_size=1,
        suppress_tokens=list(range(100, 400)),
        min_new_tokens=20,
        max_new_tokens=3,
        num_beams=2,
        eos_token_id=1,
    )
    brought = module.generation_config
    model = hand_over(module, tiny.tokenizer, name="tiny")
    assert made(model, sampling=greedy) == plain
    assert made(model) == drawn
    assert module.generation_config is brought


def test_a_completion_ends_at_any_of_the_tokens_that_end_a_text(tiny):
    [(_, whole)] = made(tiny, REQUESTS[:1]).items()
    module = copy.deepcopy(tiny.module)
    fifth = whole.token_ids[5]
    module.generation_config.eos_token_id = [1, fifth]
    [ended] = made(hand_over(module, tiny.tokenizer, name="tiny"), REQUESTS[:1]).values()
    assert ended.ended
    assert ended.token_ids == whole.token_ids[: whole.token_ids.index(fifth)]
    assert whole.text.startswith(ended.text)
    assert not whole.ended
    assert len(whole.token_ids) == SAMPLING.max_new_tokens


def test_a_model_and_a_tokenizer_without_padding_or_end_run_out_of_tokens(tiny):
    module, tokenizer = copy.deepcopy(tiny.module), copy.deepcopy(tiny.tokenizer)
    tokenizer.pad_token = tokenizer.eos_token = None
    module.generation_config.eos_token_id = module.config.eos_token_id = module.config.pad_token_id = None
    one = made(hand_over(module, tokenizer, name="tiny"))
    assert {len(completion.token_ids) for completion in one.values()} == {24}
    assert one == made(hand_over(module, tokenizer, name="tiny"), rows=1)


def test_a_text_to_stop_at_ends_a_completion_and_is_not_part_of_it(tiny):
    whole = made(tiny)
    stops = {key: completion.text[5:8] for key, completion in whole.items()}
    for request in REQUESTS:
        stop = stops[request.id]
        [cut] = made(tiny, [request], Sampling(1.0, 0.92, 24, stop=(stop, "never to be found"))).values()
        assert cut.ended
        assert cut.text == whole[request.id].text.split(stop)[0]
        assert len(cut.token_ids) < 24
        assert whole[request.id].token_ids[: len(cut.token_ids)] == cut.token_ids


def test_a_prompt_that_brings_its_own_beginning_gets_no_second_one(tiny):
    tokenizer = tiny.tokenizer
    assert prompt_tokens(tokenizer, "<bos>Let me") == prompt_tokens(tokenizer, "Let me")
    assert prompt_tokens(tokenizer, "Let me").count(tokenizer.bos_token_id) == 1


def test_an_end_that_a_tokenizer_puts_behind_each_text_is_left_out(tiny):
    from tokenizers.processors import TemplateProcessing

    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 0), ("<eos>", 1)]
    )
    assert tokenizer("Let me")["input_ids"][-1] == 1
    assert prompt_tokens(tokenizer, "Let me") == prompt_tokens(tiny.tokenizer, "Let me")
    assert prompt_tokens(tokenizer, "Let me<eos>")[-1] == 1


def test_text_joins_on_to_its_prompt_where_a_tokenizer_drops_leading_spaces(tiny):
    from tokenizers import decoders

    tokenizer = copy.deepcopy(tiny.tokenizer)
    dropping = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    tokenizer.backend_tokenizer.decoder = dropping
    space = tokenizer.convert_tokens_to_ids("Ġapples")
    assert tokenizer.decode([space]) == "apples"
    with torch.no_grad():
        module = copy.deepcopy(tiny.module)
        module.lm_head = torch.nn.Linear(64, len(tokenizer), bias=True)
        module.lm_head.weight.zero_()
        module.lm_head.bias.zero_()
        module.lm_head.bias[space] = 100.0
    module.config.tie_word_embeddings = False
    [one] = made(hand_over(module, tokenizer, name="tiny"), REQUESTS[:1], Sampling(max_new_tokens=2)).values()
    assert one.text == " apples apples"


def test_half_a_character_at_the_cut_is_left_out(tiny):
    [heart] = [tiny.tokenizer("\N{BLACK HEART SUIT}", add_special_tokens=False)["input_ids"]]
    assert len(heart) == 3
    assert_text = {2: "", 3: "\N{BLACK HEART SUIT}", 4: "\N{BLACK HEART SUIT}"}
    for length, expected in assert_text.items():
        module = following(tiny, [*heart, *heart])
        [one] = made(
            hand_over(module, tiny.tokenizer, name="tiny"), REQUESTS[:1], Sampling(max_new_tokens=length)
        ).values()
        assert one.text == expected


def following(tiny, tokens):
    """Return a model that says these tokens, whatever it reads."""
    module = copy.deepcopy(tiny.module)
    said = iter(tokens)

    class Head(torch.nn.Module):
        def forward(self, hidden):
            logits = torch.zeros(*hidden.shape[:2], len(tiny.tokenizer))
            logits[..., next(said)] = 100.0
            return logits

    module.lm_head = Head()
    return module


def test_progress_ends_where_the_last_row_does(tiny):
    heard = []
    requests = [Request(f"{number}", PROMPTS[number], 0) for number in range(5)]
    stop = Sampling(1.0, 0.92, 24, stop=("a", "e", "t"))
    completions = made(tiny, requests, stop, rows=2, announce=lambda _, **event: heard.append(event))
    assert {event["stage"] for event in heard} == {"generating"}
    assert {event["unit"] for event in heard} == {"tokens"}
    assert all(event["done"] <= event["total"] for event in heard)
    assert [event["done"] == event["total"] for event in heard].index(True) == len(heard) - 1
    assert heard[-1]["done"] == sum(len(one.token_ids) for one in completions.values())
    assert [event["total"] for event in heard] == sorted((event["total"] for event in heard), reverse=True)


def test_a_finished_completion_is_kept_before_the_rest_of_its_batch_ends(tiny, tmp_path):
    whole = made(tiny)
    shortest = min(whole.values(), key=lambda one: one.text.find("a") % 1000)
    kept_at = {}

    def announce(_, done, **event):
        lines = [line for file in tmp_path.rglob("*.jsonl") for line in file.read_text().splitlines()]
        kept_at[done] = len(lines)

    stop = Sampling(1.0, 0.92, 24, stop=("a",))
    completions = made(tiny, sampling=stop, traces=TraceStore(tmp_path), announce=announce)
    assert shortest.request.id in completions
    counts = list(kept_at.values())
    assert counts[-1] == 8
    assert len(set(counts)) > 2, "they ended one after the other, and were on disk as they did"


def test_what_is_kept_is_not_made_again(tiny, tmp_path):
    first = made(tiny, REQUESTS[:5], traces=TraceStore(tmp_path))
    heard = []
    store = TraceStore(tmp_path)
    again = made(tiny, traces=store, announce=lambda _, **event: heard.append(event))
    assert store.found == 5
    assert {key: again[key] for key in first} == first
    assert again == made(tiny)
    assert heard[-1]["done"] == sum(len(one.token_ids) for key, one in again.items() if key not in first)
    quiet = []
    assert made(tiny, traces=TraceStore(tmp_path), announce=lambda *_, **event: quiet.append(event)) == again
    assert not quiet


@pytest.mark.parametrize(
    "changed",
    [
        {"sampling": Sampling(0.9, 0.92, 24)},
        {"sampling": Sampling(1.0, 0.9, 24)},
        {"sampling": Sampling(1.0, 0.92, 25)},
        {"sampling": Sampling(1.0, 0.92, 24, stop=("zzz",))},
        {"edits": Listening()},
        {"requests": [request._replace(seed=request.seed + 7) for request in REQUESTS]},
        {"requests": [request._replace(prompt=request.prompt + "!") for request in REQUESTS]},
    ],
    ids=["temperature", "top_p", "max_new_tokens", "stop", "edits", "seed", "prompt"],
)
def test_what_was_made_otherwise_is_made_anew(tiny, tmp_path, changed):
    made(tiny, traces=TraceStore(tmp_path))
    store = TraceStore(tmp_path)
    made(tiny, traces=store, **changed)
    assert store.found == 0


def test_other_weights_have_completions_of_their_own(tiny, tmp_path):
    made(tiny, traces=TraceStore(tmp_path))
    store = TraceStore(tmp_path)
    made(hand_over(*tiny_model(seed=1), name="tiny"), traces=store)
    assert store.found == 0


def test_rows_that_do_not_fit_go_on_in_halves(tiny, monkeypatch):
    expected = made(tiny)
    generate, widths = tiny.module.generate, []

    def short(ids, **options):
        widths.append(len(ids))
        if len(ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(ids, **options)

    monkeypatch.setattr(tiny.module, "generate", short)
    assert made(tiny) == expected
    assert Counter(widths) == {8: 1, 4: 2, 2: 4}


def test_the_last_row_of_a_larger_batch_is_tried_alone_before_it_is_refused(tiny):
    pair = REQUESTS[:2]
    first, second = made(tiny, pair).values()
    # Where one stops and the other goes on.
    stop = next(one for one in first.text if one not in second.text)
    stopping = Sampling(temperature=1.0, top_p=0.92, max_new_tokens=24, stop=(stop,))
    expected = made(tiny, pair, stopping)
    short, long = sorted(len(one.token_ids) for one in expected.values())
    assert short + 2 < long
    rows = []

    def crowded(_, inputs):
        rows.append(len(inputs[0]))
        if rows[-1] == 2 and len(rows) > short + 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = tiny.module.get_submodule(atlas_of(tiny).modules[-1]).register_forward_pre_hook(crowded)
    try:
        assert made(tiny, pair, stopping) == expected
    finally:
        hook.remove()
    assert set(rows[-long:]) == {1}


def test_memory_that_runs_out_when_all_rows_have_ended_costs_nothing(tiny, monkeypatch):
    expected, generate, runs = made(tiny), tiny.module.generate, []

    def full_at_its_end(ids, **options):
        runs.append(generate(ids, **options))
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(tiny.module, "generate", full_at_its_end)
    assert made(tiny, rows=4) == expected
    assert len(runs) == 2


def test_a_row_that_does_not_fit_alone_is_named(tiny, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(tiny.module, "generate", full)
    with pytest.raises(ModelError, match=r"prompt of `r7`, .* do not fit into the memory of cpu.*max_new_tokens"):
        made(tiny)


def test_a_prompt_longer_than_the_context_is_refused_and_named(model):
    long = [*REQUESTS, Request("long", "apples " * 400, 0)]
    with pytest.raises(ConfigError, match=r"prompt of `long` has \d+ tokens, and the context of .* holds 256"):
        made(model, long)


@pytest.mark.parametrize("model", ["gpt2", "opt", "qwen2", "gemma3", "gpt_neox"], indirect=True)
def test_what_goes_past_positions_that_are_learned_one_by_one_is_refused(model):
    far = Sampling(max_new_tokens=250)
    if model.name in ("gpt2", "opt"):
        with pytest.raises(ConfigError, match=r"prompt of `r7` .* cannot go past 256: set `sampling.max_new_tokens="):
            made(model, sampling=far)
    else:
        [one] = made(model, REQUESTS[7:], far).values()
        assert len(one.token_ids) == 250 or one.ended


def test_a_prompt_without_a_token_is_refused(tiny):
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.backend_tokenizer.post_processor = None
    with pytest.raises(ConfigError, match="prompt of `empty` holds no token"):
        made(hand_over(tiny.module, tokenizer, name="tiny"), [Request("empty", "", 0)])


def test_scores_that_are_no_numbers_are_an_error(tiny):
    module = copy.deepcopy(tiny.module)
    with torch.no_grad():
        module.model.norm.weight.fill_(torch.nan)
    for sampling in (SAMPLING, Sampling(temperature=0.0)):
        with pytest.raises(ModelError, match=r"scores that are NaN: run it with `model.dtype=float32`"):
            made(hand_over(module, tiny.tokenizer, name="tiny"), sampling=sampling)


def test_a_model_without_a_head_is_refused(tiny):
    with pytest.raises(ModelError, match=r"Qwen2Model, which has no head to generate with"):
        made(hand_over(tiny.module.base_model, tiny.tokenizer, name="headless"))


def test_a_model_is_left_in_the_mode_that_it_was_handed_over_in(tiny):
    module = copy.deepcopy(tiny.module).train()
    module.config.attention_dropout = 0.5
    assert made(hand_over(module, tiny.tokenizer, name="tiny")) == made(tiny)
    assert module.training


def test_a_bridge_that_was_handed_over_completes_as_its_model_does(tiny):
    from transformer_lens.model_bridge import TransformerBridge

    module, tokenizer = tiny_model()
    tokenizer.init_kwargs["add_bos_token"] = True
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    bridge = TransformerBridge.boot_transformers("tiny", hf_model=module, tokenizer=tokenizer)
    assert made(hand_over(bridge, name="tiny")) == made(tiny)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0: give a whole number, at least 1"),
        ({"max_new_tokens": -5}, "max_new_tokens is -5"),
        ({"temperature": -0.1}, r"temperature is -0\.1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"top_p": 0.0}, r"top_p is 0\.0"),
        ({"top_p": 1.1}, r"top_p is 1\.1"),
        ({"stop": ("",)}, r"stop is \[''\]: give a list, each item a text, not empty"),
    ],
)
def test_sampling_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Sampling(**fields)


def test_vllm_that_is_not_installed_is_told_with_the_name_of_the_extra(tiny):
    with pytest.raises(ConfigError, match=r"pip install neurosieve\[vllm\]"):
        made(tiny, backend="vllm")
    with pytest.raises(ConfigError, match="cannot be edited"):
        made(tiny, backend="vllm", edits=Listening())
