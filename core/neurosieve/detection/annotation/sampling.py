"""From texts to sentences for a person to label: the stages of `annotate` without `read`, in order."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from neurosieve.contracts import Detector, Report
from neurosieve.data import Document, Skipped
from neurosieve.detection.annotation.drawing import draw_sentences
from neurosieve.detection.annotation.drawn_sample import SAMPLE, sample_record
from neurosieve.detection.annotation.handing_out import hand_out
from neurosieve.detection.annotation.population import FOUND, mark_column, sentences_with_marks
from neurosieve.detection.annotation.settings import Annotate
from neurosieve.disk import content_address
from neurosieve.errors import ConfigError, DataError
from neurosieve.pipeline.cautions import respelled
from neurosieve.runs.label_settings import detector_files
from neurosieve.runs.record_fields import described
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Run
from neurosieve.texts.absence import absence_warnings
from neurosieve.texts.spans import Detectors, check_detectors, detect_all
from neurosieve.wording import plural

__all__ = ["sample_sentences"]


def sample_sentences(
    source: Iterable[Document | Skipped],
    detectors: Mapping[str, Detector],
    reports: Mapping[str, Report],
    settings: Annotate,
    folder: Path,
) -> Run:
    """Draw sentences for a person to label, and write them and the run to `folder`.

    Raises:
        NeurosieveError: the run cannot be made; nothing is left in `folder`.
    """
    _check(detectors)
    label_set = settings.label_set(detectors)
    with recording("annotate", folder, reports) as run:
        with run.stage("detecting"):
            detected = detect_all(source, detectors, run.counts, run.announce)
        run.warnings += respelled(run.counts) + absence_warnings(detected, detectors)
        with run.stage("cutting sentences"):
            population = sentences_with_marks(detected, detectors, run.announce)
        if population.empty:
            raise DataError(
                f"no text has a sentence where the detectors look, in {plural(len(detected), 'document')}: check the "
                "fields that the source reads, and `scope` of the detectors"
            )
        documents = {result.document.id: result.document for result in detected}
        with run.stage("drawing"):
            sample, strata = draw_sentences(population, list(detectors), documents, settings.sentences, settings.seed)
        if settings.sentences > len(population):
            run.warnings.append(
                f"{plural(settings.sentences, 'sentence')} are wanted, and the texts have {len(population):,}: all of "
                "them are taken"
            )
        run.counts.update(
            {
                "sentences_in_texts": len(population),
                "sentences_drawn": len(sample),
                "documents_drawn": int(sample["document"].nunique()),
                "groups_drawn": int(sample["group"].nunique()),
            }
        )
        found = {name: int((population[mark_column(name)] == FOUND).sum()) for name in detectors}
        name = content_address([list(sample["sentence"]), label_set])
        run.tables |= {SAMPLE: sample, "strata": strata, "documents": _texts(sample, documents)}
        run.record |= {
            "behaviours": list(detectors),
            "annotation": sample_record(label_set, name),
            "counts": {"sentences_found": found},
            "detector_files": detector_files(detectors),
            "config": described({"source": source, "detectors": detectors, "reports": reports}) | vars(settings),
        }
        hand_out(folder, sample, documents, label_set, name, settings.context)
    return run.run


def _check(detectors: Detectors) -> None:
    """Raise a ConfigError unless there are detectors whose marks divide sentences."""
    check_detectors(detectors)
    if not detectors:
        raise ConfigError(
            "no detector is given: choose at least one, as in `detectors=[...]`; `neurosieve plugins` lists them"
        )
    if whole := [name for name, detector in detectors.items() if detector.whole_texts]:
        raise ConfigError(
            f"{', '.join(f'`{name}`' for name in whole)} {'labels' if len(whole) == 1 else 'label'} whole texts, and "
            "people label sentences here: leave it out"
        )


def _texts(sample: pd.DataFrame, documents: Mapping[str, Document]) -> pd.DataFrame:
    """Return the texts of the sentences: `document, group, text, completion_start`, a row each."""
    names = list(dict.fromkeys(sample["document"]))
    return pd.DataFrame(
        [(name, documents[name].group, documents[name].text, documents[name].prompt_end) for name in names],
        columns=["document", "group", "text", "completion_start"],
    )
