"""Settings of `find`, besides its plugins and its model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge

from neurosieve.contracts import Detector, Scorer
from neurosieve.errors import ConfigError, nearest
from neurosieve.evidence.settings import Evidence
from neurosieve.models.sites import KINDS

__all__ = ["NO_STORE", "Find", "check_handed_over", "ranking_scorer"]

NO_STORE = "none"


@dataclass(frozen=True)
class Find(Evidence):
    """Settings of `find`, besides its plugins and its model."""

    rank_by: str | None = None
    """The scorer that ranks; the first, by default."""
    site: str = "mlp_post"
    """What is read of each layer: the MLP's neurons, or what the MLP adds to the residual stream (`mlp_out`), the
    residual stream behind the layer (`resid_post`), the heads' outputs before their projection (`attn_z`)."""
    layers: tuple[int, ...] | None = None
    """The layers to read; all, by default."""
    tokens_per_batch: Annotated[int, Ge(1)] | None = None
    """Tokens in one forward pass, padding included; 4,096 on a CPU and 32,768 on a GPU, by default."""
    store: str | None = None
    """The folder that keeps captured activations; the user's cache, by default. `none` keeps none: every token of the
    texts is read, once, and summed up by scorers whose memory is bounded (`cohens_d`, `auc_binned`, ...)."""
    follow_up: tuple[str, ...] = ()
    """Commands that go on from the run when it has ended, in its folder: analyze, show, "ablate k=[1,10]"."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.site not in KINDS:
            raise ConfigError(f"site is {self.site!r}, which is not a kind of site: {nearest(str(self.site), KINDS)}")


def check_handed_over(detectors: Mapping[str, Any], scorers: Mapping[str, Any], folder: Path) -> None:
    """Raise unless detectors and scorers are such, and the folder is free for a run.

    Raises:
        ConfigError: they are not, or it is not.
    """
    for given, kind, what in ((detectors, Detector, "detector"), (scorers, Scorer, "scorer")):
        if not given:
            raise ConfigError(f"no {what} is given: give at least one")
        for name, plugin in given.items():
            if not isinstance(plugin, kind):
                raise ConfigError(
                    f"the {what} `{name}` is {plugin!r}, which is not a {kind.__name__}: give an instance of one"
                )
    if (folder / "run.json").exists():
        raise ConfigError(f"`{folder}` holds a finished run already, which is not written over: give another folder")


def ranking_scorer(settings: Find, scorers: Mapping[str, Scorer[Any]]) -> str:
    """Return the name of the scorer that ranks.

    Raises:
        ConfigError: it is not among the scorers.
    """
    rank_by = settings.rank_by or next(iter(scorers))
    if rank_by not in scorers:
        raise ConfigError(f"rank_by is `{rank_by}`, which is not among the scorers: {nearest(rank_by, scorers)}")
    return rank_by
