"""Settings of `find`, besides its plugins and its model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge

from neurosieve.errors import ConfigError, nearest
from neurosieve.evidence.settings import Evidence
from neurosieve.models.sites import KINDS

__all__ = ["NO_STORE", "Find"]

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
    measured: str | None = None
    """The folder of a run of `detect`, `learn` or `annotate` that measured these detectors against annotations: the run
    then says how good its labels are, and by how much their mistakes make every effect smaller."""
    measured_labels: Mapping[str, str] = field(default_factory=dict)
    """By behaviour, the annotated label that it is, where `measured` compared with several:
    `measured_labels.backtracking=uncertainty_management`."""
    follow_up: tuple[str, ...] = ()
    """Commands that go on from the run when it has ended, in its folder: analyze, show, "ablate k=[1,10]".
    `ablate` goes on from the ranking `beside` too, where there is one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.site not in KINDS:
            raise ConfigError(f"site is {self.site!r}, which is not a kind of site: {nearest(str(self.site), KINDS)}")
