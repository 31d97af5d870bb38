"""A tiny language model with random weights and a tokenizer of its own, built in code: for tests and dry runs."""

from typing import Any

import torch

__all__ = ["tiny_model"]

_LESSON = """Let me add the apples first. I have 12 apples and I buy 7 more, so 12 + 7 = 19 apples in all.
Wait, that's not right. Let me recalculate: hmm, that doesn't look right either, I made a mistake.
She walks to the shop at 9 and takes the bus home; the train leaves in 25 minutes from the station.
So the answer is 42. The total cost is 3 * 14 = 42 dollars, and the change is 100 - 42 = 58 dollars.
Solve this math problem step by step. Problem: Solution: <think> </think> Therefore, we need to find the number."""


def tiny_model(layers: int = 3, width: int = 64, neurons: int = 128, seed: int = 0) -> tuple[Any, Any]:
    """Return a Qwen 2 model of `layers` layers with `neurons` MLP neurons each, and its tokenizer.

    The tokenizer is a byte-level BPE, so that it can read any text. The same seed gives the same weights.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen2Config

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special, alphabet = ["<bos>", "<eos>"], pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=512, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(_LESSON.splitlines(), trainer)
    begin = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", bpe.token_to_id("<bos>"))])
    bpe.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), begin])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<bos>", eos_token="<eos>", pad_token="<eos>")
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=neurons,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        architectures=["Qwen2ForCausalLM"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():  # Livelier than the usual start, so that neurons differ.
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.15)
    return model.eval(), tokenizer
