"""What each kind of plugin promises. A plugin is a frozen dataclass: its fields are its configuration."""

from neurosieve.contracts.controls import Control
from neurosieve.contracts.detectors import Detector
from neurosieve.contracts.executors import Executor
from neurosieve.contracts.generation import Grader, Problems
from neurosieve.contracts.interventions import Intervention
from neurosieve.contracts.learners import Fitted, Learner
from neurosieve.contracts.readings import Readable, Reading
from neurosieve.contracts.reports import Report
from neurosieve.contracts.scorers import Scorer, Statistic
from neurosieve.contracts.sources import Source

__all__ = [
    "Control",
    "Detector",
    "Executor",
    "Fitted",
    "Grader",
    "Intervention",
    "Learner",
    "Problems",
    "Readable",
    "Reading",
    "Report",
    "Scorer",
    "Source",
    "Statistic",
]
