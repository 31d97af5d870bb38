"""What follows a sweep: its runs side by side."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

from neurosieve.config.hydra_app import sweep_begins
from neurosieve.runs.results import find_runs

__all__ = ["CompareRuns"]


class CompareRuns(Callback):
    """Hydra's callback that puts the runs of a sweep side by side when the last has ended."""

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        """Note where the sweep leaves its runs."""
        sweep_begins(Path(config.hydra.sweep.dir))

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        """Print the comparison, and leave it in the folder of the sweep."""
        from neurosieve.commands.compare import show

        folder = Path(config.hydra.sweep.dir)
        if len(find_runs(folder)) > 1:
            show([folder], output=folder / "comparison")
