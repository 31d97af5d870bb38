"""The plugins that come with neurosieve, found by entry point like anybody's."""

from collections.abc import Mapping
from typing import Any

from neurosieve import Control, Detector, Scorer, Source, hookimpl
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.controls.lexical import Lexical
from neurosieve_plugins.controls.matched import Matched
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.detectors.regex import Regex
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_binned import AucBinned
from neurosieve_plugins.scorers.auc_within_token import AucWithinToken
from neurosieve_plugins.scorers.average_precision import AveragePrecision
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.hedges_g import HedgesG
from neurosieve_plugins.scorers.k_sparse import KSparse
from neurosieve_plugins.scorers.logistic_probe import LogisticProbe
from neurosieve_plugins.scorers.mean_difference import MeanDifference
from neurosieve_plugins.scorers.mutual_information import MutualInformation
from neurosieve_plugins.scorers.sparse_probe import SparseProbe
from neurosieve_plugins.scorers.welch_t import WelchT
from neurosieve_plugins.sources.arithmetic import Arithmetic
from neurosieve_plugins.sources.huggingface import HuggingFace
from neurosieve_plugins.sources.text import Text
from neurosieve_plugins.sources.traces import Traces


@hookimpl
def register_sources() -> Mapping[str, type[Source]]:
    """Return where documents can come from."""
    return {"arithmetic": Arithmetic, "huggingface": HuggingFace, "text": Text, "traces": Traces}


@hookimpl
def register_detectors() -> Mapping[str, type[Detector]]:
    """Return what can say where a behaviour shows."""
    return {"annotations": Annotations, "phrases": Phrases, "regex": Regex}


@hookimpl
def register_controls() -> Mapping[str, type[Control]]:
    """Return what can choose control positions."""
    return {"distant": Distant, "lexical": Lexical, "matched": Matched}


@hookimpl
def register_scorers() -> Mapping[str, type[Scorer[Any]]]:
    """Return what can rate neurons."""
    return {
        "auc": Auc,
        "auc_binned": AucBinned,
        "auc_within_token": AucWithinToken,
        "average_precision": AveragePrecision,
        "cohens_d": CohensD,
        "hedges_g": HedgesG,
        "k_sparse": KSparse,
        "logistic_probe": LogisticProbe,
        "mean_difference": MeanDifference,
        "mutual_information": MutualInformation,
        "sparse_probe": SparseProbe,
        "welch_t": WelchT,
    }
