"""The contracts as checks, for the tests of a plugin: `check_detector(Shouting())` is a complete test.

A check raises `AssertionError`; its message says what broke, and with which input. Each kind of plugin also has a tuple
of its checks, functions of the plugin, to parametrize a test with:

>>> from neurosieve.testing import DETECTOR_CHECKS
>>> [check.__name__ for check in DETECTOR_CHECKS][-1]
'detecting_leaves_the_document_alone'
"""

from collections.abc import Mapping
from types import MappingProxyType

from neurosieve.testing.controls import CONTROL_CHECKS, check_control
from neurosieve.testing.detectors import DETECTOR_CHECKS, check_detector
from neurosieve.testing.executors import EXECUTOR_CHECKS, check_executor
from neurosieve.testing.graders import GRADER_CHECKS, check_grader
from neurosieve.testing.interventions import INTERVENTION_CHECKS, check_intervention
from neurosieve.testing.learners import LEARNER_CHECKS, check_learner
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, check_plugin
from neurosieve.testing.problems import PROBLEMS_CHECKS, check_problems
from neurosieve.testing.readings import READING_CHECKS, check_reading
from neurosieve.testing.reports import REPORT_CHECKS, check_report
from neurosieve.testing.scorers import SCORER_CHECKS, check_scorer
from neurosieve.testing.sources import SOURCE_CHECKS, check_source
from neurosieve.testing.statistics import STATISTIC_CHECKS, check_statistic

__all__ = [
    "CHECKS",
    "CONTROL_CHECKS",
    "DETECTOR_CHECKS",
    "EXECUTOR_CHECKS",
    "GRADER_CHECKS",
    "INTERVENTION_CHECKS",
    "LEARNER_CHECKS",
    "PLUGIN_CHECKS",
    "PROBLEMS_CHECKS",
    "READING_CHECKS",
    "REPORT_CHECKS",
    "SCORER_CHECKS",
    "SOURCE_CHECKS",
    "STATISTIC_CHECKS",
    "Check",
    "check_control",
    "check_detector",
    "check_executor",
    "check_grader",
    "check_intervention",
    "check_learner",
    "check_plugin",
    "check_problems",
    "check_reading",
    "check_report",
    "check_scorer",
    "check_source",
    "check_statistic",
]

CHECKS: Mapping[str, tuple[Check, ...]] = MappingProxyType(
    {
        "source": SOURCE_CHECKS,
        "detector": DETECTOR_CHECKS,
        "learner": LEARNER_CHECKS,
        "control": CONTROL_CHECKS,
        "reading": READING_CHECKS,
        "scorer": SCORER_CHECKS,
        "problems": PROBLEMS_CHECKS,
        "grader": GRADER_CHECKS,
        "intervention": INTERVENTION_CHECKS,
        "executor": EXECUTOR_CHECKS,
        "report": REPORT_CHECKS,
    }
)
"""What each kind of plugin promises."""
