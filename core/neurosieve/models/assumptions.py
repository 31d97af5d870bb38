"""What reading rests on, tested on the model itself: that no token sees a later one, nor what else is in its batch.

A text is padded on the right and read with others, and its activations are kept for later runs. That is right only of a
model that attends one way, gives the same activations twice, and reads a text in a batch as it reads it alone.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve.contracts import Executor
from neurosieve.data import Site
from neurosieve.disk import computed_once
from neurosieve.errors import ModelError
from neurosieve.models.architectures import Atlas
from neurosieve.models.loading import LanguageModel
from neurosieve.models.reading_hooks import check_finite, stream_sites
from neurosieve.models.sample_texts import SampleTexts, TokenIds, sample_texts

__all__ = ["ModelTests", "check_model"]

_TOLERANCE, _TOLERANCE_OF_SHORT_FLOATS = 1e-3, 0.05
"""A float32 differs by about 1e-5 where a device sums in another order, a bfloat16 by 0.01."""


class ModelTests(NamedTuple):
    """How far the activations of a text change where they should not change at all.

    A change is that of a token's activations at a layer, as a share of the layer's usual size: the root of the mean
    squared norm of the tokens' activations. Each number is the largest over all tokens and layers that were tested.
    """

    later_tokens: float
    """The change when the tokens behind a token are others."""
    repeated: float
    """The change when the same text is read once more."""
    in_batch: float
    """The change when the text is read in a batch, with padding, as against alone."""
    tolerance: float
    """Up to here a change counts as rounding."""
    layers_that_look_ahead: tuple[int, ...]
    """The layers where later tokens matter by more than the tolerance."""

    def record(self) -> dict[str, float]:
        """Return the figures for `run.json`."""
        return {name: float(f"{getattr(self, name):.3g}") for name in self._fields[:4]}

    def warnings(self, name: str, alone: str = "tokens_per_batch=1") -> list[str]:
        """Return a warning for each figure beyond the tolerance that does not forbid reading.

        `alone` is the setting with which each text is in a batch of its own.
        """
        warnings = []
        if self.repeated > self.tolerance:
            warnings.append(
                f"`{name}` is not deterministic: the same text, read twice, gave activations that differ by "
                f"{self.repeated:.2g} of their size; another run may give other scores: look for random numbers in "
                "its forward pass"
            )
        elif self.in_batch > self.tolerance:
            warnings.append(
                f"`{name}` reads a text in a batch otherwise than alone: activations differ by {self.in_batch:.2g} of "
                f"their size, where rounding explains {self.tolerance:g}: `{alone}` takes each text alone"
            )
        return warnings


def check_model(
    model: LanguageModel, atlas: Atlas, sites: Sequence[Site], executor: Executor | None = None
) -> ModelTests:
    """Test a model on a short text, at the sites that are read: four forward passes, once for each model.

    The result is cached with the model's fingerprint. A model that the user has loaded is tested once as an object, as
    its code may not be what its config says. `executor` runs the model; this process, by default.

    Raises:
        ModelError: later tokens change the activations of earlier ones, or the model cannot be run on the text.
    """
    tests = _tested(model, atlas, sites, executor)
    if tests.layers_that_look_ahead:
        layers = tests.layers_that_look_ahead
        which = "every layer" if len(layers) == len(sites) else f"layers {', '.join(map(str, layers))}"
        cause, advice = "attends both ways", "a model that attends one way, as causal language models do"
        if _is_quantized(model):
            cause, advice = "is quantized, and rounds all tokens of a batch together", "one that is not quantized"
        raise ModelError(
            f"`{model.name}` {cause}: when the end of a text changes, so do the activations of the tokens before it, "
            f"by up to {tests.later_tokens:.2g} of their size (at {which} of those that are read). What a neuron shows "
            f"at a token would depend on text that comes later, and on padding: give {advice}"
        )
    return tests


_OF_OBJECTS: "weakref.WeakKeyDictionary[Any, dict[Any, ModelTests]]" = weakref.WeakKeyDictionary()
"""The tests of models that were handed over, by model."""


def _tested(model: LanguageModel, atlas: Atlas, sites: Sequence[Site], executor: Executor | None) -> ModelTests:
    texts = sample_texts(model, atlas.context)
    tester = _Tester(model, atlas, tuple(sites))

    def test() -> dict[str, Any]:
        [tests] = tester()([texts]) if executor is None else executor.map(tester, [texts])
        return dict(tests._asdict())

    if model.origin is None:
        known, key = _OF_OBJECTS.setdefault(model.module, {}), (model.fingerprint, model.dtype, tester.sites)
        if key not in known:
            known[key] = ModelTests(**test())
        return known[key]
    inputs = {
        "weights": model.fingerprint,
        "config": model.config.to_dict(),
        "attention": getattr(model.config, "_attn_implementation", None),
        "dtype": model.dtype_name,
        "device": model.device.type,
        "sites": tester.sites,
        "texts": [[text.tolist() for text in part] for part in texts],
        "versions": {name: version(name) for name in ("torch", "transformers")},
        "code": Path(__file__).read_text(encoding="utf-8"),
    }
    fields = computed_once("model_tests", inputs, test)
    return ModelTests(**fields | {"layers_that_look_ahead": tuple(fields["layers_that_look_ahead"])})


@dataclass(frozen=True)
class _Tester:
    """Tests a model in one process, with a model of its own where that is another process."""

    model: LanguageModel
    atlas: Atlas
    sites: tuple[Site, ...]

    def __call__(self) -> Callable[[Iterable[SampleTexts]], Iterator[ModelTests]]:
        """Return what tests, in this process."""
        return lambda texts: map(self._test, texts)

    def _test(self, texts: SampleTexts) -> ModelTests:
        first = self._read(texts.whole, texts.compared)
        repeated = _change(first, self._read(texts.whole, texts.compared))
        in_batch = _change(first, self._read(texts.batch[:1], texts.compared, beside=texts.batch[1:]))
        quantized = _is_quantized(self.model)
        short = quantized or self.model.dtype in (torch.bfloat16, torch.float16)
        tolerance = _TOLERANCE_OF_SHORT_FLOATS if short else _TOLERANCE
        # Texts of one length are rounded alike, token by token, unless what is largest in a whole batch sets the steps
        # of a quantized model. A model that gives other numbers each time changes by that much whatever its text is.
        limit = max(tolerance if quantized else tolerance / 10, 3 * max(repeated.values()))
        changes: dict[Site, float] = {}
        for ending in texts.other_endings:
            changes = _change(first, self._read((ending,), texts.compared))
            # By rounding alone a mixture of experts may send a token to another expert, but hardly thrice.
            if max(changes.values()) <= limit:
                break
        return ModelTests(
            later_tokens=max(changes.values()),
            repeated=max(repeated.values()),
            in_batch=max(in_batch.values()),
            tolerance=tolerance,
            layers_that_look_ahead=tuple(sorted(site.layer for site, change in changes.items() if change > limit)),
        )

    def _read(
        self, texts: Sequence[TokenIds], compared: Sequence[TokenIds], beside: Sequence[TokenIds] = ()
    ) -> dict[Site, Float[Tensor, "tokens neurons"]]:
        """Return the activations of some tokens of texts, read in one batch with others."""
        activations: dict[Site, Tensor] = {}

        def keep(site: Site, values: Float[Tensor, "tokens neurons"]) -> None:
            activations[site] = values.clone()

        nowhere = np.empty(0, dtype=np.int64)
        tokens = [*compared, *(nowhere for _ in beside)]
        try:
            stream_sites(self.model, self.atlas, self.sites, [*texts, *beside], tokens, keep)
        except MemoryError as error:
            raise ModelError(
                f"`{self.model.name}` does not fit into the memory of {self.model.device} with a text of "
                f"{max(map(len, texts))} tokens: take a smaller dtype or model"
            ) from error
        check_finite(self.model, activations)
        return activations


def _is_quantized(model: LanguageModel) -> bool:
    """Return whether a model computes with quantized weights."""
    if getattr(model.config, "quantization_config", None) is not None:
        return True
    return any("quantized" in type(part).__module__ for part in model.module.modules())


def _change(before: Mapping[Site, Tensor], after: Mapping[Site, Tensor]) -> dict[Site, float]:
    """Return the largest change of a token's activations at each site, as a share of their usual size."""
    changes = {}
    for site, usual in before.items():
        norms = torch.linalg.vector_norm(usual.float(), dim=1)
        largest = torch.linalg.vector_norm(after[site].float() - usual.float(), dim=1).max()
        size = norms.square().mean().sqrt()
        # A layer where every neuron is silent, and stays so, has not changed.
        changes[site] = float(largest / size) if size > 0 else float(largest > 0)
    return changes
