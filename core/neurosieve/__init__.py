"""Find the MLP neurons of a language model that fire when it shows a behaviour, and prove that they do.

>>> import neurosieve
>>> result = neurosieve.find(model="gemma-3-270m", detectors=["backtracking"])  # doctest: +SKIP
>>> result.top(10)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurosieve.baselines import BASELINES
    from neurosieve.commands.ablate import ablate
    from neurosieve.commands.analyze import analyze
    from neurosieve.commands.compare import compare
    from neurosieve.commands.detect import detect
    from neurosieve.commands.find import find
    from neurosieve.commands.generate import generate
    from neurosieve.commands.learn import learn
    from neurosieve.commands.plan import plan
    from neurosieve.commands.show import show
    from neurosieve.contracts import (
        Control,
        Detector,
        Executor,
        Grader,
        Intervention,
        Problems,
        Report,
        Scorer,
        Source,
        Statistic,
    )
    from neurosieve.data import (
        Batch,
        Contrast,
        Document,
        Interval,
        Neuron,
        Present,
        Problem,
        Reference,
        Scores,
        Site,
        Span,
        TokenizedDocument,
        Verdict,
    )
    from neurosieve.detection.learnable import Fitted, Learnable
    from neurosieve.errors import (
        BrokenOffError,
        ConfigError,
        DataError,
        ExecutorError,
        ModelError,
        NeurosieveError,
        PluginError,
        StoreError,
        nearest,
    )
    from neurosieve.generation.prompts import Prompt
    from neurosieve.generation.sampling import Sampling
    from neurosieve.hookspecs import hookimpl
    from neurosieve.loading import Model
    from neurosieve.results import Result, Run, load
    from neurosieve.verdicts import VERDICTS

# Each public name and the module that defines it. They are imported when first asked for, so that the command
# line need not wait for torch before it can print its help.
_HOMES = {
    "BASELINES": "baselines",
    "Batch": "data",
    "BrokenOffError": "errors",
    "ConfigError": "errors",
    "Contrast": "data",
    "Control": "contracts",
    "DataError": "errors",
    "Detector": "contracts",
    "Document": "data",
    "Executor": "contracts",
    "ExecutorError": "errors",
    "Fitted": "detection.learnable",
    "Grader": "contracts",
    "Interval": "data",
    "Intervention": "contracts",
    "Learnable": "detection.learnable",
    "Model": "loading",
    "ModelError": "errors",
    "Neuron": "data",
    "NeurosieveError": "errors",
    "PluginError": "errors",
    "Present": "data",
    "Problem": "data",
    "Problems": "contracts",
    "Prompt": "generation.prompts",
    "Reference": "data",
    "Report": "contracts",
    "Result": "results",
    "Run": "results",
    "Sampling": "generation.sampling",
    "Scorer": "contracts",
    "Scores": "data",
    "Site": "data",
    "Source": "contracts",
    "Span": "data",
    "Statistic": "contracts",
    "StoreError": "errors",
    "TokenizedDocument": "data",
    "VERDICTS": "verdicts",
    "Verdict": "data",
    "ablate": "commands.ablate",
    "analyze": "commands.analyze",
    "compare": "commands.compare",
    "detect": "commands.detect",
    "find": "commands.find",
    "generate": "commands.generate",
    "hookimpl": "hookspecs",
    "learn": "commands.learn",
    "load": "results",
    "nearest": "errors",
    "plan": "commands.plan",
    "show": "commands.show",
}

__all__ = [
    "BASELINES",
    "VERDICTS",
    "Batch",
    "BrokenOffError",
    "ConfigError",
    "Contrast",
    "Control",
    "DataError",
    "Detector",
    "Document",
    "Executor",
    "ExecutorError",
    "Fitted",
    "Grader",
    "Interval",
    "Intervention",
    "Learnable",
    "Model",
    "ModelError",
    "Neuron",
    "NeurosieveError",
    "PluginError",
    "Present",
    "Problem",
    "Problems",
    "Prompt",
    "Reference",
    "Report",
    "Result",
    "Run",
    "Sampling",
    "Scorer",
    "Scores",
    "Site",
    "Source",
    "Span",
    "Statistic",
    "StoreError",
    "TokenizedDocument",
    "Verdict",
    "ablate",
    "analyze",
    "compare",
    "detect",
    "find",
    "generate",
    "hookimpl",
    "learn",
    "load",
    "nearest",
    "plan",
    "show",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `neurosieve` has no `{name}`")
    return getattr(import_module(f"neurosieve.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
