"""What is joined stays in one part: laws, over documents whose names and texts repeat."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import Control, Span, TokenizedDocument
from neurosieve.texts.groups import join_groups
from neurosieve.texts.sameness import canonical
from neurosieve.texts.seeds import seed_of
from neurosieve.texts.selection import Selection, choose_positions
from neurosieve.texts.tokens import LabelledDocument
from neurosieve_plugins.sources.arithmetic import Arithmetic

STORIES = [document.text[document.completion_start :] for document in Arithmetic(documents=30)]
SPELLED = [str.upper, lambda name: f" {name} ", lambda name: name.replace(" ", "\u2003"), str]


@dataclass(frozen=True)
class Last(Control):
    """The last tokens of a document."""

    def choose(self, document, present, count, rng):
        return range(len(document.token_ids) - 3, len(document.token_ids))


def document_of(name, group, text, shows):
    starts = np.arange(0, len(text), 5)
    tokens = TokenizedDocument(
        id=name,
        group=group,
        text=text,
        token_ids=starts % 7,
        starts=starts,
        ends=np.minimum(starts + 5, len(text)),
        usable=np.ones(len(starts), dtype=bool),
        relative=starts / len(text),
    )
    return LabelledDocument(tokens, {"b": [Span(5, 10)] * shows}, {"b": [range(1, 2)] * shows})


@st.composite
def repeated(draw):
    """Documents of 24 problems and more, some spelled anew and some with a text that others have too."""
    documents = []
    for number in range(24):
        for copy in range(draw(st.integers(1, 2))):
            story = draw(st.sampled_from([number, number, draw(st.integers(0, 29))]))
            group = draw(st.sampled_from(SPELLED))(f"problem {number}")
            text = STORIES[story] + draw(st.sampled_from(["", " End.", "\n"]))
            documents.append(document_of(f"{number}-{copy}", group, text, shows=number % 2))
    return documents


@given(repeated(), st.integers(0, 5))
def test_the_split_parts_no_problem_and_no_text(documents, seed):
    counts = Counter()
    joined = join_groups(documents, 0.8, counts)
    selection = Selection(extra_positions=())
    positions = choose_positions(joined, ["b"], Last(), selection, seed, counts).table
    part = dict(zip(positions.document, positions.part, strict=True))
    for key in (lambda tokens: canonical(tokens.group), lambda tokens: canonical(tokens.text.removesuffix(" End."))):
        parts = {}
        for document in documents:
            if document.tokens.id in part:
                parts.setdefault(key(document.tokens), set()).add(part[document.tokens.id])
        assert all(len(held) == 1 for held in parts.values())


@given(repeated(), st.randoms())
def test_the_order_of_documents_makes_no_difference(documents, random):
    first, second = Counter(), Counter()
    group = {joined.tokens.id: joined.tokens.group for joined in join_groups(documents, 0.8, first)}
    shuffled = random.sample(documents, len(documents))
    assert group == {joined.tokens.id: joined.tokens.group for joined in join_groups(shuffled, 0.8, second)}
    assert first == second
    own = {document.tokens.group for document in documents}
    assert first["groups_spelled_differently"] + first["groups_with_texts_alike"] == len(own) - len(set(group.values()))


@given(repeated())
def test_joining_again_changes_nothing(documents):
    joined = join_groups(documents, 0.8, Counter())
    again = Counter()
    assert [one.tokens.group for one in join_groups(joined, 0.8, again)] == [one.tokens.group for one in joined]
    assert not again["groups_spelled_differently"] + again["groups_with_texts_alike"]


def test_a_group_that_is_like_no_other_keeps_its_name_and_so_its_place_in_the_split():
    documents = [document_of(str(n), f"Problem  {n}", STORIES[n], shows=n % 2) for n in range(30)]
    joined = join_groups([*documents, document_of("x", "problem 3", "short", 1)], 0.8, Counter())
    assert [one.tokens.group for one in joined[:30]] == [document.tokens.group for document in documents]
    assert joined[30].tokens.group == "Problem  3"
    # The split draws by this number: a change of it would move every group.
    assert seed_of(0, "Problem  3") == 17218077102101998686


def test_texts_that_the_model_did_not_write_are_not_compared():
    prompt = STORIES[0] * 2
    documents = [
        LabelledDocument(
            TokenizedDocument(
                id=str(number),
                group=str(number),
                text=prompt + STORIES[number + 1],
                token_ids=np.zeros(1, dtype=int),
                starts=np.zeros(1, dtype=int),
                ends=np.ones(1, dtype=int),
                usable=np.ones(1, dtype=bool),
                relative=np.zeros(1),
                completion_start=len(prompt),
            ),
            {},
            {},
        )
        for number in range(5)
    ]
    counts = Counter()
    assert [one.tokens.group for one in join_groups(documents, 0.8, counts)] == list("01234")
    assert counts["texts_alike"] == 0
