"""What `find` is told besides its plugins and its model."""

from dataclasses import dataclass

from neurosieve.errors import ConfigError, nearest
from neurosieve.sites import KINDS

__all__ = ["NO_STORE", "Find"]

NO_STORE = "none"

_FEWEST_PERMUTATIONS = 19


@dataclass(frozen=True)
class Find:
    """What `find` is told besides its plugins and its model."""

    seed: int = 0
    """Draws which groups are held out, the permutations, and the resamples."""
    rank_by: str | None = None
    """The scorer that ranks; the first, by default."""
    site: str = "mlp_post"
    """What is read of each layer: the MLP's neurons, or what the MLP adds to the residual stream (`mlp_out`), the
    residual stream behind the layer (`resid_post`), the heads' outputs before their projection (`attn_z`)."""
    layers: tuple[int, ...] | None = None
    """The layers to read; all, by default."""
    permutations: int = 1000
    """Permutations of the labels that the ranking is compared with; 0 leaves the null out. All of them together cost a
    ranking by a mean, a rank or a histogram little more than a matrix product; a ranking by `average_precision` or
    `logistic_probe` costs as much again for each: ask for fewer."""
    word_check: str | None = "auc_within_token"
    """The scorer that tells whether a neuron knows more than the word, for its verdict; null leaves the verdict out."""
    confirm: int = 100
    """How many of the best neurons of each behaviour get an interval on the held-out groups, and a verdict; and among
    how many a stable neuron is again and again."""
    draws: int = 500
    """Resamples of the groups behind each interval."""
    bootstraps: int = 100
    """Resamples of the groups behind the stability of the best neurons; 0 leaves it out."""
    confidence: float = 0.95
    """How often an interval is to hold the truth."""
    tokens_per_batch: int | None = None
    """Tokens in one forward pass, padding included; 4,096 on a CPU and 32,768 on a GPU, by default."""
    store: str | None = None
    """The folder that keeps captured activations; the user's cache, by default. `none` keeps none: every token of the
    texts is read, once, and summed up by scorers whose memory is bounded (`cohens_d`, `auc_binned`, ...)."""
    then: tuple[str, ...] = ()
    """Commands that go on from the run when it has ended, in its folder: analyze, show, "ablate k=[1,10]"."""
    enough_positions: int = 100
    """Fewer present positions of a behaviour than this in the ranking part are warned of."""
    enough_documents: int = 30
    """Fewer documents with a behaviour than this in the ranking part are warned of."""

    enough_groups: int = 10
    """A behaviour that shows in fewer held-out groups than this gets no interval and no verdict: resampling so few
    groups gives intervals that are far too narrow."""

    def __post_init__(self) -> None:
        if self.site not in KINDS:
            raise ConfigError(f"site is {self.site!r}, which is no kind of site: {nearest(str(self.site), KINDS)}")
        least_of = {
            "seed": 0,
            "permutations": 0,
            "confirm": 0,
            "draws": 1,
            "bootstraps": 0,
            "tokens_per_batch": 1,
            "enough_groups": 2,
        }
        for name, least in least_of.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < least):
                raise ConfigError(f"{name} is {value!r}: give a whole number, at least {least}")
        if 0 < self.permutations < _FEWEST_PERMUTATIONS:
            raise ConfigError(
                f"permutations is {self.permutations}: no p could be as small as 0.05; give at least "
                f"{_FEWEST_PERMUTATIONS}, or 0 to leave the null out"
            )
        if not 0 < self.confidence < 1:
            raise ConfigError(f"confidence is {self.confidence}: give a share above 0 and below 1, such as 0.95")
