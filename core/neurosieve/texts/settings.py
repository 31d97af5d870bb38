"""Settings of what is read of the texts."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from neurosieve.errors import ConfigError
from neurosieve.fields import check_fields
from neurosieve.texts.positions import Pool, UnitKind

__all__ = ["Selection"]


@dataclass(frozen=True)
class Selection:
    """How positions are chosen, and how groups are split."""

    unit: UnitKind = "token"
    """What one row stands for. `token`: one token, where `at` says. `span`: all tokens of a span. `sentence`: all of a
    sentence in which a span lies. `completion`: all that the model wrote, or the detector's `scope` of it; it shows the
    behaviour where a span lies in it. `prompt_end`: the last tokens before the completion."""
    pool: Pool = "mean"
    """What is read of a unit of several tokens: the mean over them, the largest value (of each neuron), or the value at
    the last or the first of them."""
    prompt_tokens: Annotated[int, Ge(1)] = 1
    """How many tokens before the completion a `prompt_end` has. The marks of a chat template are among them."""
    at: Literal["onset", "prediction", "window", "span", "context"] = "onset"
    """Where to read. `onset`: the first token of each span. `prediction`: the token before it, from which the model
    predicts it. `window`: the tokens at `offsets` from it. `span`: all of its tokens. `context`: every token within
    `characters` of the span. Only where the unit is a token."""
    offsets: tuple[int, ...] = (-13, -12, -11, -10, -9, -8)
    """The window, in tokens from the onset."""
    characters: Annotated[int, Ge(0)] = 50
    """How far the context reaches."""
    controls_per_position: Annotated[float, Gt(0), Lt(math.inf)] = 10.0
    """Controls for each present position, in each document; for each present text of a group (`null=within_groups`) or
    of a part, where the unit is a whole text."""
    negatives_per_positive_document: Annotated[float, Ge(0), Lt(math.inf)] = 1.0
    """Documents without the behaviour that give controls, for each document with it. Where the unit is a whole text,
    `controls_per_position` alone decides."""
    held_out_fraction: Annotated[float, Ge(0), Lt(1)] = 0.5
    """The share of groups that is held out of the ranking; 0 ranks on all and replicates on none."""
    near_duplicates: Annotated[float, Gt(0), Le(1)] | None = 0.8
    """How much two texts have in common to be kept in one part, with their groups: the share of their runs of five
    words that both have (the Jaccard index), of what the model wrote. Of texts alike, a behaviour is read in one that
    shows it and in one that does not. 1 finds copies alone; null looks for none, and counts each as new evidence.
    Prompts are alike only where they are the same."""
    extra_positions: tuple[Literal["onset", "prediction", "window", "span"], ...] = ("prediction",)
    """Additional places to read, whose scores are reported beside the ranking: `prediction`, `window`. Units of several
    tokens have none."""
    seed: Annotated[int, Ge(0)] = 0
    """Draws the controls. It is not the run's own seed: runs over many seeds read the model once."""

    @property
    def neighbours(self) -> bool:
        """Whether several tokens of one span are read, which are alike."""
        return self.at in ("span", "context") or (self.at == "window" and len(self.offsets) > 1)

    def __post_init__(self) -> None:
        check_fields(self, "selection.")
        if "window" in (self.at, *self.extra_positions) and not self.offsets:
            raise ConfigError(
                "selection.offsets is empty: give the tokens to read, counted from the onset, such as [-3,-2,-1]"
            )
        if self.unit == "token" and self.pool != type(self).pool:
            raise ConfigError(
                f"selection.pool is {self.pool}, and selection.unit is token: one token is not pooled; give a unit of "
                "several tokens, such as `selection.unit=completion`, or leave out the pool"
            )
        if self.unit != "token" and self.at != "onset":
            raise ConfigError(
                f"selection.at is {self.at}, and selection.unit is {self.unit}: a unit of several tokens is read as a "
                f"whole; leave out `selection.at`, or read single tokens (`selection.unit=token`)"
            )
        if self.unit != "prompt_end" and self.prompt_tokens != type(self).prompt_tokens:
            raise ConfigError(
                f"selection.prompt_tokens is {self.prompt_tokens}, and selection.unit is {self.unit}: it says how long "
                "a `prompt_end` is; leave it out, or give `selection.unit=prompt_end`"
            )
