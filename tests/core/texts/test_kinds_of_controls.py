"""A neuron that tells words from punctuation does not tell a behaviour: its controls are words too."""

from collections import Counter

import numpy as np
import pytest

from neurosieve import TOKEN_KINDS, Document, Present, Span, token_kinds
from neurosieve.models.tiny import tiny_model
from neurosieve.texts.selection import Selection, choose_positions
from neurosieve.texts.tokens import label_documents
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.controls.matched import Matched
from neurosieve_plugins.detectors.annotations import Annotations

TEXT = "We add 12, then 7: it is 19. So we go on! Is it (so) far? Then we have 5, or 8, and we stop; it is enough. "


@pytest.fixture(scope="module")
def documents():
    """Texts in each of which one word, drawn at random, stands for a behaviour."""
    rng, documents = np.random.default_rng(0), []
    text = TEXT * 4
    words = [at for at in range(1, len(text)) if text[at].isalpha() and not text[at - 1].isalnum()]
    for number in range(40):
        at = int(rng.choice(words))
        annotations = (Span(at, at + 1, "noise"),)
        documents.append(Document(f"d{number}", text, f"g{number}", annotations=annotations))
    return list(label_documents(documents, {"noise": Annotations(("noise",))}, tiny_model()[1], None, Counter()))


def auc_of_punctuation(documents, control):
    """Return the AUC of a neuron that fires at all punctuation, and nowhere else."""
    from sklearn.metrics import roc_auc_score

    table = choose_positions(documents, ["noise"], control, Selection(), 0, Counter()).table
    return roc_auc_score(table.label, (table.kind == "punctuation").astype(float))


@pytest.mark.parametrize("control", [Distant, Matched])
def test_a_neuron_of_punctuation_stands_out_among_controls_of_any_kind_and_not_among_those_of_the_same(
    documents, control
):
    assert auc_of_punctuation(documents, control(same_kind=False)) < 0.45
    assert auc_of_punctuation(documents, control()) == 0.5


def test_the_table_of_positions_tells_the_kind_of_each_token(documents):
    table = choose_positions(documents, ["noise"], Distant(), Selection(), 0, Counter()).table
    assert set(table.kind) <= {"word start", "sentence start"}
    by_id = {document.tokens.id: document.tokens for document in documents}
    for line in table.itertuples():
        assert TOKEN_KINDS[token_kinds(by_id[line.document])[line.token]] == line.kind


def test_a_control_that_knows_no_kinds_takes_any():
    tokens = np.arange(30)
    document = label_documents(
        [Document("d", "a, b. " * 5, "d")], {"noise": Annotations()}, tiny_model()[1], None, Counter()
    )
    [labelled] = document
    present = Present([], [], tokens[:0], np.zeros(0))
    assert len(Distant().choose(labelled.tokens, present, 99, np.random.default_rng(0))) == labelled.tokens.usable.sum()
