"""Find the MLP neurons of a language model that fire when it shows a behaviour, and prove that they do.

>>> import neurosieve
>>> result = neurosieve.find(model="gemma-3-270m", detectors=["backtracking"])  # doctest: +SKIP
>>> result.top(10)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurosieve.commands.compare import compare
    from neurosieve.commands.find import find
    from neurosieve.contracts import (
        Control,
        Detector,
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
    from neurosieve.errors import ConfigError, DataError, ModelError, NeurosieveError, PluginError, StoreError, nearest
    from neurosieve.hookspecs import hookimpl
    from neurosieve.loading import Model
    from neurosieve.results import Result, Run, load

# Each public name and the module that defines it. They are imported when first asked for, so that the command
# line need not wait for torch before it can print its help.
_HOMES = {
    "Batch": "data",
    "ConfigError": "errors",
    "Contrast": "data",
    "Control": "contracts",
    "DataError": "errors",
    "Detector": "contracts",
    "Document": "data",
    "Grader": "contracts",
    "Interval": "data",
    "Intervention": "contracts",
    "Model": "loading",
    "ModelError": "errors",
    "Neuron": "data",
    "NeurosieveError": "errors",
    "PluginError": "errors",
    "Present": "data",
    "Problem": "data",
    "Problems": "contracts",
    "Reference": "data",
    "Report": "contracts",
    "Result": "results",
    "Run": "results",
    "Scorer": "contracts",
    "Scores": "data",
    "Site": "data",
    "Source": "contracts",
    "Span": "data",
    "Statistic": "contracts",
    "StoreError": "errors",
    "TokenizedDocument": "data",
    "Verdict": "data",
    "compare": "commands.compare",
    "find": "commands.find",
    "hookimpl": "hookspecs",
    "load": "results",
    "nearest": "errors",
}

__all__ = [
    "Batch",
    "ConfigError",
    "Contrast",
    "Control",
    "DataError",
    "Detector",
    "Document",
    "Grader",
    "Interval",
    "Intervention",
    "Model",
    "ModelError",
    "Neuron",
    "NeurosieveError",
    "PluginError",
    "Present",
    "Problem",
    "Problems",
    "Reference",
    "Report",
    "Result",
    "Run",
    "Scorer",
    "Scores",
    "Site",
    "Source",
    "Span",
    "Statistic",
    "StoreError",
    "TokenizedDocument",
    "Verdict",
    "compare",
    "find",
    "hookimpl",
    "load",
    "nearest",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `neurosieve` has no `{name}`")
    return getattr(import_module(f"neurosieve.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
