"""How good the detectors of a run were measured to be, read from the run that measured them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from neurosieve.errors import ConfigError, nearest
from neurosieve.evidence.mislabelled import seen_auc
from neurosieve.pipeline.job import Job
from neurosieve.registry import TARGET
from neurosieve.runs.label_settings import detector_files, label_settings
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.record_fields import described
from neurosieve.runs.recording import Recording
from neurosieve.runs.tables import share_cell
from neurosieve.wording import plural

__all__ = ["label_quality", "note_label_quality"]

_COMMANDS = ("detect", "learn", "annotate")
_MEASURES = ("precision", "recall", "false_omission", "markedness")
_EXAMPLE = 0.8
"""The AUC of which it is told how it is seen."""
_SHOWN = 80
"""So many characters of a setting are shown."""


def note_label_quality(run: Recording, quality: Mapping[str, Mapping[str, Any]], job: Job) -> None:
    """Add to a run what `label_quality` returns: to its record, and in words to its notes and warnings."""
    if not job.settings.measured:
        return
    run.record["label_quality"] = dict(quality)
    for behaviour in job.detectors:
        if behaviour not in quality:
            run.notes.append(f"`{behaviour}` was not measured in {job.settings.measured}")
            continue
        numbers = quality[behaviour]
        run.notes.append(_measured_in_words(behaviour, numbers))
        run.warnings += [
            f"in {numbers['run']}, where `{behaviour}` was measured: {doubt}" for doubt in numbers["doubts"]
        ]
        factor = numbers["markedness"]
        if factor is not None and factor < 0.5:
            run.warnings.append(
                f"the mistakes of the detector of `{behaviour}` make effects less than half as large as they are (the "
                f"factor is {factor:.2f}): neurons that a better detector would show may be missed"
            )


def label_quality(job: Job) -> dict[str, dict[str, Any]]:
    """Return, by behaviour, how good its detector was measured to be; those that were not measured are left out.

    Returns:
        `run`, `label`, `documents` and `sentences` that were compared, and each of precision, recall, false omission
        and markedness with `_low` and `_high`, the ends of its interval; None where undefined.

    Raises:
        ConfigError: the run measured no detector of the job, or one with another config, or the label is not clear.
        DataError: there is no such run.
    """
    settings = job.settings
    for behaviour in settings.measured_labels:
        if not settings.measured:
            raise ConfigError("`measured_labels` is given without `measured`: give the run that compared with them")
        if behaviour not in job.detectors:
            raise ConfigError(f"measured_labels.{behaviour} is for no detector: {nearest(behaviour, job.detectors)}")
    if not settings.measured:
        return {}
    run = RunFolder(Path(settings.measured).expanduser())
    if run.command not in _COMMANDS or "agreement" not in run.tables:
        raise ConfigError(
            f"measured is `{settings.measured}`, a run of `{run.command}` that compared no detector with annotations: "
            "give the folder of a run of `detect`, `learn` or `annotate` that did"
        )
    agreement = run.table("agreement")
    if not {*_MEASURES, "not_known"} <= set(agreement):
        raise ConfigError(f"measured is `{settings.measured}`, which an earlier version wrote: run it again")
    quality, files = {}, detector_files(job.detectors)
    for behaviour, node in json.loads(json.dumps(described({"detectors": job.detectors})["detectors"])).items():
        if (name := _name_in(run, behaviour, node, files[behaviour], agreement)) is not None:
            rows = agreement[agreement.detector == name]
            _check_one_person(behaviour, rows, run)
            numbers = _numbers(run, rows, _label(behaviour, rows, settings.measured_labels))
            # What was doubtful of its labels there, as that it was trained on the texts.
            doubts = [warning for warning in run.run["warnings"] if warning.startswith(f"`{name}`: ")]
            quality[behaviour] = {**numbers, "doubts": doubts}
    if not quality:
        raise ConfigError(
            f"the run `{settings.measured}` measured {', '.join(dict.fromkeys(agreement.detector))}, and none of "
            f"{', '.join(job.detectors)}: measure these detectors, as with `neurosieve detect`, or leave out `measured`"
        )
    return quality


def _name_in(
    run: RunFolder, behaviour: str, node: Any, files: Mapping[str, str], agreement: pd.DataFrame
) -> str | None:
    """Return the name of a detector in the run that measured it; None where it was not measured.

    Raises:
        ConfigError: the detector of that name has another config, or its files another content.
    """
    nodes = run.run["config"].get("detectors") or {}
    if run.command == "learn" and isinstance(node, Mapping) and _is_output(run, node.get("path"), files.get("path")):
        changed = {
            key
            for key, value in label_settings(node).items()
            if key not in (TARGET, "path") and value != _AS_TRAINED.get(key)
        }
        if changed:
            raise ConfigError(
                f"`{behaviour}` has other settings than the detector that {run.folder} trained and measured: leave out "
                f"{', '.join(f'detectors.{behaviour}.{key}' for key in sorted(changed))}, or measure it with "
                "`neurosieve detect`"
            )
        return str(next(name for name in agreement.detector if name not in nodes))
    if behaviour in nodes and behaviour in set(agreement.detector):
        if differing := _differing(behaviour, node, files, run):
            raise ConfigError(
                f"`{behaviour}` is not the detector that {run.folder} measured: {'; '.join(differing)}: measure it "
                "again with `neurosieve detect`, or leave out `measured`"
            )
        return behaviour
    if not isinstance(node, Mapping):
        return None
    others = (name for name, other in nodes.items() if name in set(agreement.detector) and isinstance(other, Mapping))
    return next((name for name in others if not _differing(name, node, files, run)), None)


_AS_TRAINED = {"threshold": None, "scope": "completion"}
"""With these settings a trained detector marks what was measured in its training."""


def _is_output(run: RunFolder, path: object, content: str | None) -> bool:
    """Return whether a file is the detector that a run of `learn` trained, wherever it lies now.

    Raises:
        ConfigError: it lies where the run wrote it, and nothing says that it is what the run wrote.
    """
    if not isinstance(path, str):
        return False
    if content is not None and content == run.run.get("output_hash"):
        return True
    output = Path(run.run["output"])
    if Path(path).expanduser().resolve() not in (output.resolve(), (run.folder / output.name).resolve()):
        return False
    reason = (
        "there is no such file"
        if content is None
        else "the file has changed since"
        if "output_hash" in run.run
        else "an earlier version made the run, and did not record which file it wrote"
    )
    raise ConfigError(
        f"{path} is not the detector that {run.folder} trained and measured: {reason}; train it again with `neurosieve "
        "learn` and give that run as `measured`, or leave out `measured`"
    )


def _differing(behaviour: str, node: Any, files: Mapping[str, str], run: RunFolder) -> list[str]:
    """Return in what that decides labels a detector differs from the one of some name in a run.

    Raises:
        ConfigError: one of them was handed over in Python, so that nothing says what it is.
    """
    measured = run.run["config"]["detectors"][behaviour]
    if not all(isinstance(each, Mapping) and TARGET in each for each in (node, measured)):
        raise ConfigError(
            f"`{behaviour}` is no registered plugin, so that nothing says whether it is the detector that "
            f"{run.folder} measured: register it as a plugin, or leave out `measured`"
        )
    measured_files = run.run.get("detector_files", {}).get(behaviour, {})
    settings, before = label_settings(node), label_settings(measured)
    differing = []
    for key in dict.fromkeys((*before, *settings)):
        if key in files and key in measured_files:  # The same content under another path gives the same labels.
            if files[key] != measured_files[key]:
                differing.append(f"the content of the file that `{key}` names is not the same")
        elif before.get(key) != settings.get(key):
            name = key.replace(TARGET, "the kind")
            differing.append(f"{name} is {_short(before.get(key))} there and {_short(settings.get(key))} here")
    return differing


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _check_one_person(behaviour: str, rows: pd.DataFrame, run: RunFolder) -> None:
    if "annotator" in rows and rows["annotator"].nunique() > 1:
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(rows["annotator"]))
        raise ConfigError(
            f"in {run.folder}, `{behaviour}` was compared with the labels of {rows['annotator'].nunique()} people "
            f"({names}), each by itself: read back the labels of one of them, with `neurosieve annotate read=<file>`, "
            "and give that run as `measured`"
        )


def _label(behaviour: str, rows: pd.DataFrame, chosen: Mapping[str, str]) -> str:
    """Return the label that is the behaviour.

    Raises:
        ConfigError: there is no such label, or there are several and none is chosen.
    """
    labels = rows.label.tolist()
    if behaviour in chosen:
        if chosen[behaviour] not in labels:
            raise ConfigError(
                f"measured_labels.{behaviour} is `{chosen[behaviour]}`, and the detector was not compared with such a "
                f"label: {nearest(chosen[behaviour], labels)}"
            )
        return chosen[behaviour]
    if len(labels) == 1 or behaviour in labels:
        return behaviour if behaviour in labels else str(labels[0])
    raise ConfigError(
        f"`{behaviour}` was compared with {len(labels)} labels: say which of them it is, as in "
        f"`measured_labels.{behaviour}={labels[0]}`; there are {', '.join(labels)}"
    )


def _numbers(run: RunFolder, rows: pd.DataFrame, label: str) -> dict[str, Any]:
    row = rows[rows.label == label].iloc[0]
    names = [f"{measure}{end}" for measure in _MEASURES for end in ("", "_low", "_high")]
    numbers = {name: float(row[name]) for name in names}
    return {
        "run": str(run.folder),
        "label": label,
        "documents": int(run.run["counts"].get("annotated_documents", 0)),
        "sentences": int(row["sentences"]),
        **{name: None if math.isnan(value) else value for name, value in numbers.items()},
    }


def _measured_in_words(behaviour: str, numbers: Mapping[str, Any]) -> str:
    row = {name: math.nan if value is None else value for name, value in numbers.items()}
    precision, recall, missed, factor = (share_cell(row, measure).text for measure in _MEASURES)
    known = numbers["markedness"] is not None
    seen = seen_auc(_EXAMPLE, row["precision"], row["false_omission"])
    effect = (
        f"where its mistakes are independent of a neuron, an AUC of A is seen as 0.5 + {factor} × (A - 0.5), one of "
        f"{_EXAMPLE} as {seen:.2f}"
        if known
        else "what its mistakes do to an AUC is not known, as precision could not be measured"
    )
    return (
        f"`{behaviour}` was measured against `{numbers['label']}`, on {plural(numbers['sentences'], 'sentence')} of "
        f"{plural(numbers['documents'], 'document')}: its precision is {precision} and its recall {recall}; of the "
        f"sentences that it does not mark, a share of {missed} shows the behaviour all the same; {effect} "
        "(docs/detectors.md)"
    )
