"""`annotate`: sentences for people to label, and how well detectors agree with what they say."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosieve.config.command import Command, Many, One
from neurosieve.config.hydra_app import run_hydra
from neurosieve.contracts import Detector, Report, Source
from neurosieve.data import Document, Skipped
from neurosieve.detection.annotation.reading_back import read_back
from neurosieve.detection.annotation.sampling import sample_sentences
from neurosieve.detection.annotation.settings import Annotate
from neurosieve.errors import ConfigError
from neurosieve.runs.results import Run

__all__ = ["COMMAND", "annotate", "main"]

COMMAND = Command(
    "annotate", Annotate, {"source": One("source"), "detectors": Many("detector"), "reports": Many("report")}
)
_OF_THE_SAMPLE = ("source", "detectors", "sentences", "labels", "definitions", "several", "context")
"""What was decided when the sample was drawn."""


def annotate(
    source: str | Source | Iterable[Document | Skipped] | None = None,
    detectors: str | Sequence[str] | Mapping[str, Detector] | None = None,
    *,
    reports: str | Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Draw sentences for people to label, or read back what they labelled.

    Args:
        source: a preset, a `Source`, or documents.
        detectors: presets, or detectors by the name of the behaviour that each finds.
        reports: presets, or what draws the run by name.
        folder: where the run is left; `runs/annotate/<time>` by default.
        **settings: the fields of `Annotate`, such as `sentences` and `labels`; or `read`, the files that people
            labelled, and `sample`, the folder of the run that drew the sentences, without a source and detectors.

    Returns:
        The run. Of a sample its folder holds `label.html`, `to_label.csv` and `to_label.jsonl` for people, and its
        tables `sample` and `strata`. Of labels its tables are `sentences`, `agreement` and `confusion`.

    Raises:
        NeurosieveError: it cannot be done; the message says what to do next.
    """
    choices = {"source": source, "detectors": detectors, "reports": reports}
    given = {**settings, "source": source, "detectors": detectors}
    reads = settings.get("read") is not None
    _check_given([name for name, value in given.items() if value is not None], reads)
    paths = {name: settings.pop(name, None) for name in ("read", "sample")}
    settings |= {name: _as_text(path) for name, path in paths.items() if path is not None}
    return _run(COMMAND.from_python(choices, settings), reads, COMMAND.run_folder(folder))


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `annotate`."""
    from neurosieve.terminal.finished_run import show_run

    def task(config: Any, folder: Path) -> None:
        show_run(_run(COMMAND.build(config), "read" in keys, folder))

    keys = [argument.lstrip("+~").partition("=")[0] for argument in arguments if not argument.startswith("-")]
    _check_given([key.partition(".")[0] for key in keys], "read" in keys)
    run_hydra(COMMAND, arguments, task)


def _run(parts: Mapping[str, Any], reads: bool, folder: Path) -> Run:
    settings: Annotate = parts["settings"]
    if reads and not any(file.strip() for file in settings.files):
        raise ConfigError("`read` is empty: give the file that people labelled, as in `read=labels.jsonl`")
    if settings.files:
        return read_back(parts["reports"], settings, folder)
    return sample_sentences(parts["source"], parts["detectors"], parts["reports"], settings, folder)


def _as_text(path: Any) -> Any:
    """Return a path, or each of several, as the config holds it."""
    if isinstance(path, list | tuple):
        return tuple(map(_as_text, path))
    return str(path) if isinstance(path, Path) else path


def _check_given(keys: Iterable[str], reads: bool) -> None:
    """Raise a ConfigError where something is given that has no meaning beside the rest."""
    if not reads and "sample" in keys:
        raise ConfigError(
            "`sample` is given, and no labels to read: give the files that people labelled, as in `read=labels.jsonl`"
        )
    for key in keys if reads else ():
        if key in _OF_THE_SAMPLE:
            raise ConfigError(
                f"`{key}` is given with `read`: it was decided when the sample was drawn, and is read from there; "
                "leave it out"
            )
