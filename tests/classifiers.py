"""Small models that classify texts, built in code with random weights, and saved as the hub has them."""

from pathlib import Path
from typing import Any

import torch
import transformers

from neurosieve.models.tiny import tiny_model

__all__ = ["classifier_model", "save_classifier", "word_pieces"]

SIZE = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
LABELS = ("doubt", "work", "plan")
_LESSON = "so it is wait not right let me add again the answer 1 2 3 7 9 . , ! ? ' 🤔"


def word_pieces() -> Any:
    """Return a tokenizer as BERT's are, of letters and a few words."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    tokens += [word for word in _LESSON.split() if word not in tokens]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return transformers.BertTokenizerFast(vocab=vocabulary, model_max_length=64)


def classifier_model(kind: str, problem_type: str | None = None, **changed: Any) -> tuple[Any, Any]:
    """Return a model of a kind with its tokenizer: `bert`, `distilbert`, `roberta`, or `llama` without padding."""
    named = {"id2label": dict(enumerate(LABELS)), "label2id": {label: n for n, label in enumerate(LABELS)}}
    settings: dict[str, Any] = {**SIZE, **named, "problem_type": problem_type, "pad_token_id": 0} | changed
    if kind == "distilbert":
        config: Any = transformers.DistilBertConfig(
            dim=32, hidden_dim=48, n_layers=2, n_heads=4, vocab_size=300, max_position_embeddings=64, **named
        )
        config.problem_type = problem_type
    elif kind == "bert":
        config = transformers.BertConfig(max_position_embeddings=64, **settings)
    elif kind == "roberta":
        config = transformers.RobertaConfig(max_position_embeddings=42, **settings | {"pad_token_id": 1})
    else:
        config = transformers.LlamaConfig(**settings | {"vocab_size": 512, "pad_token_id": None})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    torch.nn.init.normal_(parameter, std=0.3)
    tokenizer = tiny_model()[1] if kind == "llama" else word_pieces()
    if kind == "roberta":
        tokenizer.model_max_length = 10**30
    return model, tokenizer


def save_classifier(folder: Path, kind: str = "bert", problem_type: str | None = None, **changed: Any) -> str:
    """Save such a model with its tokenizer, and return its folder."""
    model, tokenizer = classifier_model(kind, problem_type, **changed)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
