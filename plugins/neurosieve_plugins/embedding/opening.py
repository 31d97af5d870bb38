"""Opens an embedding model by its hub name or its folder: numbers alone, and no code that comes with it."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from neurosieve import ConfigError, ModelError
from neurosieve_plugins.embedding.embedder import Embedder

__all__ = ["DEFAULT_MODEL", "open_embedder"]

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
"""22 million parameters, 384 numbers an embedding, the first 256 tokens of a sentence."""
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
"""What is downloaded of a model: no pickles, and no code."""
_WEIGHTS = "*.safetensors"
_PROBE = "Wait, is that right?"


def open_embedder(name: str) -> Embedder:
    """Return an embedding model by its name on the Hugging Face hub, or by its folder; it stays open.

    Raises:
        ConfigError: sentence-transformers is not installed.
        ModelError: there is no such model, or it cannot be opened; the message says what to do.
    """
    _check_installed()
    folder = Path(name).expanduser()
    if folder.is_dir():
        # The whole path: a trained detector names its model, and is used elsewhere.
        return _opened(str(folder.resolve()), folder.resolve(), _state(folder))
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError(f"there is no folder `{name}` with an embedding model: check the path, or give a hub name")
    return _from_hub(name)


def _check_installed() -> None:
    try:
        import sentence_transformers  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "embeddings need sentence-transformers, which is not installed: `pip install neurosieve[embeddings]`"
        ) from error


@lru_cache(maxsize=4)
def _from_hub(name: str) -> Embedder:
    folder = _downloaded(name)
    return _opened(name, folder, _state(folder))


def _downloaded(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=_FILES))
    except HFValidationError as error:
        raise ModelError(
            f"`{name}` is neither a folder here nor a name of the Hugging Face hub: give a name such as "
            f"`{DEFAULT_MODEL}`, or a folder"
        ) from error
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"the embedding model `{name}` is not a folder here, was not downloaded before, and the Hugging Face hub "
            "was not reached: check the name and the connection, or give the folder of a model"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ModelError(
            f"the embedding model `{name}` is not a folder here, and the Hugging Face hub does not give it ({reason}): "
            "check the name, and that you may read it"
        ) from error


def _state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a file of a folder does."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".safetensors") and path.is_file())
    return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)


@lru_cache(maxsize=4)
def _opened(name: str, folder: Path, _files: object) -> Embedder:
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    weights = _checked_weights(name, folder)

    def load() -> Any:
        with _quiet():
            model = SentenceTransformer(
                str(folder), trust_remote_code=False, local_files_only=True, model_kwargs={"use_safetensors": True}
            )
        return model.float().eval()

    try:
        model = load()
        _check_whole(name, weights, model, load)
    # What transformers, safetensors and sentence-transformers raise for a model that they cannot load: each becomes a
    # message with its cause attached.
    except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0]
        raise ModelError(
            f"the embedding model `{name}` cannot be opened ({reason}): download or save it again, or take another"
        ) from error
    return Embedder(name, model, weights)


def _check_whole(name: str, weights: Sequence[Path], model: Any, load: Callable[[], Any]) -> None:
    """Raise where the files lack weights that an embedding depends on: they would be random numbers.

    Names in files and in memory may differ, and what no embedding depends on may be missing: so, where a name has no
    counterpart, the model is loaded once more, which gives other random numbers.
    """
    from safetensors import safe_open

    names: set[str] = set()
    for path in weights:
        with safe_open(path, "pt") as file:
            names |= {end for key in file.keys() for end in _ends(key)}  # noqa: SIM118  # It is no mapping.
    lacking = [key for key in model.state_dict() if not names & {*_ends(key)}]
    first, second = (each.encode(_PROBE, show_progress_bar=False) for each in (model, load() if lacking else model))
    if not np.allclose(first, second, atol=1e-5):
        raise ModelError(
            f"the weights of the embedding model `{name}` are not whole: `{lacking[0]}` is missing in its files, and "
            "would be random numbers; download or save it again"
        )


def _ends(name: str) -> Iterator[str]:
    """Yield the name of a tensor without up to three of the modules that it is in."""
    parts = name.split(".")
    for without in range(min(4, max(1, len(parts) - 1))):
        yield ".".join(parts[without:])


def _checked_weights(name: str, folder: Path) -> tuple[Path, ...]:
    """Return the files of the weights of an embedding model, without code of its own and without pickles.

    Raises:
        ModelError: a folder holds no such model.
    """
    try:
        modules: Any = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        described = [(str(module["type"]), folder / str(module["path"])) for module in modules]
    except FileNotFoundError as error:
        raise ModelError(
            f"`{name}` is not an embedding model: it has no `modules.json`, which says how sentences become vectors, "
            f"and which sentence-transformers writes; take one such as `{DEFAULT_MODEL}`"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"`modules.json` of the embedding model `{name}` cannot be read ({error})") from error
    for module, part in described:
        if not module.startswith("sentence_transformers."):
            raise ModelError(
                f"the embedding model `{name}` comes with Python code of its own (`{module}`), which is not run: take "
                "another model"
            )
        if any(part.glob("*.bin")) and not any(part.glob(_WEIGHTS)):
            raise ModelError(
                f"the weights of the embedding model `{name}` are in pickle files, which can run code as they are "
                "opened, and are not read: take another model, or save it as safetensors where you trust it"
            )
    return tuple(path for part in dict.fromkeys(part for _, part in described) for path in sorted(part.glob(_WEIGHTS)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the progress bar of the weights, and the lines of which device is taken."""
    from transformers.utils import logging as bars

    shown, log = bars.is_progress_bar_enabled(), logging.getLogger("sentence_transformers")
    level = log.level
    bars.disable_progress_bar()
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)
        if shown:
            bars.enable_progress_bar()
