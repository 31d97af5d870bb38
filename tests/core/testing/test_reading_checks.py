"""Each check of a reading fails on a reading that breaks its promise, and passes on one that keeps it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest
import torch
from torch import Tensor

from neurosieve import Readable, Reading, Site
from neurosieve.testing import PLUGIN_CHECKS, READING_CHECKS, check_reading
from neurosieve_plugins.readings.attribution import Attribution
from neurosieve_plugins.readings.contribution import Contribution

Cells = Callable[[], Mapping[Site, Tensor]]


@dataclass(frozen=True)
class Sound(Reading):
    """Half of each activation, which keeps every promise."""

    at_every_token: ClassVar[bool] = True

    def start(self, texts: Readable) -> Cells:
        return self.changed(texts, lambda values: values / 2)

    def changed(self, texts: Readable, change: Callable[[Tensor], Tensor]) -> Cells:
        wait = texts.activations()
        return lambda: {site: change(values) for site, values in wait().items()}


@dataclass(frozen=True)
class Transposed(Sound):
    """A column a token."""

    def start(self, texts: Readable) -> Cells:
        return self.changed(texts, lambda values: values.T)


@dataclass(frozen=True)
class Dividing(Sound):
    """Undefined where a neuron is negative."""

    def start(self, texts: Readable) -> Cells:
        return self.changed(texts, torch.log)


@dataclass(frozen=True)
class Centring(Sound):
    """Less the mean of the batch."""

    def start(self, texts: Readable) -> Cells:
        return self.changed(texts, lambda values: values - values.mean(dim=0))


@dataclass(frozen=True)
class Whimsical(Sound):
    """Other numbers each time, by little."""

    def start(self, texts: Readable) -> Cells:
        return self.changed(texts, lambda values: values * (1 + 1e-5 * torch.rand(())))


@dataclass(frozen=True)
class Trampling(Sound):
    """Leaves a hook behind, and the weights without gradients."""

    def start(self, texts: Any) -> Cells:
        texts.model.module.register_forward_pre_hook(lambda *_: None)
        return super().start(texts)


@dataclass(frozen=True)
class Scribbling(Sound):
    """Makes one weight larger."""

    def start(self, texts: Any) -> Cells:
        with torch.no_grad():
            texts.model.module.lm_head.weight[0, 0] += 1
        return super().start(texts)


@dataclass(frozen=True)
class Negative(Sound):
    """Looks a token back, it says."""

    def tokens_after(self) -> int:
        return -1


@dataclass(frozen=True)
class FarSighted(Attribution):
    """Looks at more tokens than it says."""

    length: int = 3

    def tokens_after(self) -> int:
        return 0


@dataclass(frozen=True)
class Reserved(Sound):
    """Asks for the means of controls, and never looks at them."""

    needs_control_means: ClassVar[bool] = True


@dataclass(frozen=True)
class Greedy(Attribution):
    """Takes the means of controls without a word."""

    needs_control_means: ClassVar[bool] = False


@dataclass(frozen=True)
class Everywhere(Attribution):
    """Would attribute the first token, which follows nothing."""

    at_every_token: ClassVar[bool] = True


@dataclass(frozen=True)
class Unscored(Sound):
    """Names a scorer that nobody has."""

    scorers: ClassVar[tuple[str, ...]] = ("loudness",)


@dataclass(frozen=True)
class Squaring(Sound):
    """The square of the mean of a unit, in place of the mean of the squares."""

    pools: ClassVar[bool] = True

    def start(self, texts: Readable) -> Cells:
        return self.changed(texts, torch.square)


@dataclass(frozen=True)
class Diverting(Sound):
    """Half of each activation, and says that it is all of it."""

    streams: ClassVar[Literal["activations"]] = "activations"


@dataclass(frozen=True)
class Misplaced(Sound):
    """At a place that no model has."""

    kinds: ClassVar[tuple[str, ...]] = ("mlp",)


@dataclass(frozen=True)
class Pooling(Sound):
    """Half of each activation, of units too."""

    pools: ClassVar[bool] = True
    kinds: ClassVar[tuple[str, ...]] = ("mlp_post", "attn_z")


ALL = {check.__name__ for check in READING_CHECKS if check not in PLUGIN_CHECKS}
SHAPE, BATCH = "cells_have_a_row_a_token_and_a_column_a_neuron", "rows_are_in_the_order_of_the_texts"
TWICE, MODEL = "reading_twice_gives_the_same", "reading_leaves_the_model_as_it_was"
AFTER, MEANS = "tokens_after_are_all_it_looks_at", "need_of_control_means_is_declared"
EVERY, NAMES = "every_token_is_read_as_declared", "its_scorers_and_limits_are_such"
UNITS, KINDS, STREAMED = "units_are_pooled_as_declared", "its_sites_are_such", "cells_are_what_it_streams"

BROKEN = [
    (Transposed(), ALL - {NAMES, UNITS, KINDS, STREAMED}, r"shape \(24, 7\) at layer 0 .* shape \(7, 24\)"),
    (Dividing(), {SHAPE, BATCH, TWICE, AFTER, MEANS, EVERY}, "cells of layer 0 that are NaN or infinite"),
    (Centring(), {BATCH, AFTER, EVERY}, "gives other cells at layer 0, by up to .*, where text 0 is read alone"),
    (Whimsical(), {TWICE}, "gives other cells when it reads the same texts again"),
    (Trampling(), {MODEL}, "changes the hooks of the model"),
    (Scribbling(), {MODEL}, r"changes the weights of the model: \['lm_head.weight'\]"),
    (Negative(), {AFTER}, "looks at -1 tokens behind a position"),
    (FarSighted(), {AFTER}, "where it reads text 0 as far as 0 tokens behind token 3"),
    (Reserved(), {MEANS}, "declares `needs_control_means = True`, and reads the same without any"),
    (Greedy(), {MEANS}, "without control means"),
    (Everywhere(), {EVERY}, "as it reads every token of three texts"),
    (Squaring(), {UNITS}, "where units of several tokens are read by their mean"),
    (Diverting(), {STREAMED}, "declares `streams = 'activations'`, and gives other cells"),
    (Misplaced(), {KINDS}, "names the kind of site 'mlp'"),
    (Unscored(), {NAMES}, "names the scorer `loudness`, which is not installed"),
]


@pytest.fixture(autouse=True)
def fresh_texts() -> None:
    """Let no reading that changes the model change it for the next."""
    from neurosieve.testing import readings

    readings._texts.cache_clear()


@pytest.mark.parametrize(("reading", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_a_reading_that_breaks_a_promise_fails_the_checks_of_that_promise(
    reading: Reading, checks: set[str], message: str, failures: Any
) -> None:
    failed = failures([check for check in READING_CHECKS if check not in PLUGIN_CHECKS], reading)
    assert failed.keys() == checks
    assert re.search(message, "\n".join(failed.values())), failed
    with pytest.raises(AssertionError):
        check_reading(reading)


def test_every_check_has_a_reading_that_fails_it() -> None:
    assert set().union(*(checks for _, checks, _ in BROKEN)) == ALL


@pytest.mark.parametrize(
    "reading",
    [
        Sound(),
        Pooling(),
        Contribution(),
        Attribution(edit="zero"),
        Attribution(method="integrated", steps=2),
        Attribution(length=4),
    ],
    ids=repr,
)
def test_a_reading_that_keeps_its_promises_passes(reading: Reading) -> None:
    check_reading(reading)
