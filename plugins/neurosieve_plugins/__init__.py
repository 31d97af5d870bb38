"""The plugins that come with neurosieve, found by entry point like anybody's."""

from collections.abc import Mapping
from typing import Any

from neurosieve import (
    Activation,
    Control,
    Detector,
    Executor,
    Grader,
    Intervention,
    Learner,
    Problems,
    Reading,
    Report,
    Scorer,
    Source,
    hookimpl,
)
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.controls.lexical import Lexical
from neurosieve_plugins.controls.matched import Matched
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.classifier import Classifier
from neurosieve_plugins.detectors.combined.after import After
from neurosieve_plugins.detectors.combined.all_of import AllOf
from neurosieve_plugins.detectors.combined.any_of import AnyOf
from neurosieve_plugins.detectors.combined.first import First
from neurosieve_plugins.detectors.combined.near import Near
from neurosieve_plugins.detectors.combined.without import Without
from neurosieve_plugins.detectors.graded import Graded
from neurosieve_plugins.detectors.judge import Judge
from neurosieve_plugins.detectors.judge_text import JudgeText
from neurosieve_plugins.detectors.learned import Learned
from neurosieve_plugins.detectors.metadata import Metadata
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.detectors.regex import Regex
from neurosieve_plugins.detectors.repeating import Repeating
from neurosieve_plugins.detectors.similar import Similar
from neurosieve_plugins.detectors.surprise import Surprise
from neurosieve_plugins.detectors.unfinished import Unfinished
from neurosieve_plugins.executors.local import Local
from neurosieve_plugins.executors.ray import Ray
from neurosieve_plugins.graders.boxed import Boxed
from neurosieve_plugins.graders.math_verify import MathVerify
from neurosieve_plugins.interventions.add import Add
from neurosieve_plugins.interventions.clamp import Clamp
from neurosieve_plugins.interventions.mean import Mean
from neurosieve_plugins.interventions.resample import Resample
from neurosieve_plugins.interventions.scale import Scale
from neurosieve_plugins.interventions.zero import Zero
from neurosieve_plugins.learners.embeddings import Embeddings
from neurosieve_plugins.learners.similar import Similar as SimilarLearner
from neurosieve_plugins.learners.words import Words
from neurosieve_plugins.problems.arithmetic import Arithmetic as ArithmeticProblems
from neurosieve_plugins.problems.file import File
from neurosieve_plugins.problems.huggingface import HuggingFace as HuggingFaceProblems
from neurosieve_plugins.problems.reasoning_gym import ReasoningGym
from neurosieve_plugins.problems.sums import Sums
from neurosieve_plugins.readings.attribution import Attribution
from neurosieve_plugins.readings.contribution import Contribution
from neurosieve_plugins.reports.figures import Figures
from neurosieve_plugins.reports.html import Html
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_binned import AucBinned
from neurosieve_plugins.scorers.auc_within_group import AucWithinGroup
from neurosieve_plugins.scorers.auc_within_token import AucWithinToken
from neurosieve_plugins.scorers.average_precision import AveragePrecision
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.hedges_g import HedgesG
from neurosieve_plugins.scorers.k_sparse import KSparse
from neurosieve_plugins.scorers.logistic_probe import LogisticProbe
from neurosieve_plugins.scorers.mean_difference import MeanDifference
from neurosieve_plugins.scorers.mean_present import MeanPresent
from neurosieve_plugins.scorers.mutual_information import MutualInformation
from neurosieve_plugins.scorers.paired_difference import PairedDifference
from neurosieve_plugins.scorers.sparse_probe import SparseProbe
from neurosieve_plugins.scorers.welch_t import WelchT
from neurosieve_plugins.sources.arithmetic import Arithmetic
from neurosieve_plugins.sources.chat import Chat
from neurosieve_plugins.sources.huggingface import HuggingFace
from neurosieve_plugins.sources.inspect_logs import InspectLogs
from neurosieve_plugins.sources.requests import Requests
from neurosieve_plugins.sources.text import Text
from neurosieve_plugins.sources.traces import Traces


@hookimpl
def register_sources() -> Mapping[str, type[Source]]:
    """Return where documents can come from."""
    return {
        "arithmetic": Arithmetic,
        "chat": Chat,
        "huggingface": HuggingFace,
        "inspect_logs": InspectLogs,
        "requests": Requests,
        "text": Text,
        "traces": Traces,
    }


@hookimpl
def register_detectors() -> Mapping[str, type[Detector]]:
    """Return what can say where a behaviour shows."""
    return {
        "after": After,
        "all_of": AllOf,
        "annotations": Annotations,
        "any_of": AnyOf,
        "classifier": Classifier,
        "first": First,
        "graded": Graded,
        "judge": Judge,
        "judge_text": JudgeText,
        "learned": Learned,
        "metadata": Metadata,
        "near": Near,
        "phrases": Phrases,
        "regex": Regex,
        "repeating": Repeating,
        "similar": Similar,
        "surprise": Surprise,
        "unfinished": Unfinished,
        "without": Without,
    }


@hookimpl
def register_learners() -> Mapping[str, type[Learner]]:
    """Return what can learn a behaviour from annotations."""
    return {"embeddings": Embeddings, "similar": SimilarLearner, "words": Words}


@hookimpl
def register_controls() -> Mapping[str, type[Control]]:
    """Return what can choose control positions."""
    return {"distant": Distant, "lexical": Lexical, "matched": Matched}


@hookimpl
def register_readings() -> Mapping[str, type[Reading]]:
    """Return what can stand in a cell."""
    return {"activation": Activation, "attribution": Attribution, "contribution": Contribution}


@hookimpl
def register_scorers() -> Mapping[str, type[Scorer[Any]]]:
    """Return what can rate neurons."""
    return {
        "auc": Auc,
        "auc_binned": AucBinned,
        "auc_within_group": AucWithinGroup,
        "auc_within_token": AucWithinToken,
        "average_precision": AveragePrecision,
        "cohens_d": CohensD,
        "hedges_g": HedgesG,
        "k_sparse": KSparse,
        "logistic_probe": LogisticProbe,
        "mean_difference": MeanDifference,
        "mean_present": MeanPresent,
        "mutual_information": MutualInformation,
        "paired_difference": PairedDifference,
        "sparse_probe": SparseProbe,
        "welch_t": WelchT,
    }


@hookimpl
def register_problems() -> Mapping[str, type[Problems]]:
    """Return where problems can come from."""
    return {
        "arithmetic": ArithmeticProblems,
        "file": File,
        "huggingface": HuggingFaceProblems,
        "reasoning_gym": ReasoningGym,
        "sums": Sums,
    }


@hookimpl
def register_interventions() -> Mapping[str, type[Intervention]]:
    """Return what can be done to neurons while the model runs."""
    return {"add": Add, "clamp": Clamp, "mean": Mean, "resample": Resample, "scale": Scale, "zero": Zero}


@hookimpl
def register_executors() -> Mapping[str, type[Executor]]:
    """Return where the work of reading can be done."""
    return {"local": Local, "ray": Ray}


@hookimpl
def register_graders() -> Mapping[str, type[Grader]]:
    """Return what can say whether an answer is right."""
    return {"boxed": Boxed, "math_verify": MathVerify}


@hookimpl
def register_reports() -> Mapping[str, type[Report]]:
    """Return what can draw a run."""
    return {"figures": Figures, "html": Html}
