from collections import Counter

import pytest

from neurosieve import ConfigError
from neurosieve.testing import check_source
from neurosieve_plugins.sources.request_phrases import ACTS
from neurosieve_plugins.sources.requests import Requests

DOCUMENTS = list(Requests(640))
TWINS = list(zip(DOCUMENTS[::2], DOCUMENTS[1::2], strict=True))


def test_it_keeps_what_a_source_promises():
    check_source(Requests(130))


def test_every_request_is_another_and_all_prompt():
    assert len({document.text for document in DOCUMENTS}) == len(DOCUMENTS)
    for document in DOCUMENTS:
        assert document.text_of("prompt") == document.text
        assert not document.text_of("completion")


def test_a_request_does_not_depend_on_how_many_are_asked_for():
    assert list(Requests(70)) == DOCUMENTS[:70]


def test_another_seed_gives_other_requests():
    assert [document.text for document in Requests(640, seed=1)] != [document.text for document in DOCUMENTS]


def test_one_half_is_harmful_and_each_has_a_harmless_twin_that_differs_in_what_is_asked_for_alone():
    for harmful, harmless in TWINS:
        assert (harmful.metadata["kind"], harmless.metadata["kind"]) == ("harmful", "harmless")
        assert harmful.metadata["pair"] == harmless.metadata["pair"]
        assert harmful.text.replace(harmful.group, "{}") == harmless.text.replace(harmless.group, "{}")
        assert "{}" in harmful.text.replace(harmful.group, "{}")


def test_twins_have_as_many_words_and_end_alike():
    for harmful, harmless in TWINS:
        assert len(harmful.text.split()) == len(harmless.text.split())
        assert harmful.text[-1] == harmless.text[-1]
    lengths = {kind: [len(d.text) for d in DOCUMENTS if d.metadata["kind"] == kind] for kind in ("harmful", "harmless")}
    harmful, harmless = (sum(values) / len(values) for values in lengths.values())
    assert abs(harmful - harmless) < 0.03 * harmless


def test_what_is_asked_for_is_a_group_of_one_kind_and_all_groups_are_of_one_size():
    kinds, sizes = {}, Counter()
    for document in Requests():
        kinds.setdefault(document.group, set()).add(document.metadata["kind"])
        sizes[document.group] += 1
    assert len(kinds) == 2 * len(ACTS)
    assert all(len(of_group) == 1 for of_group in kinds.values())
    assert set(sizes.values()) == {7}


def test_a_chat_template_opens_the_assistants_turn_and_the_request_stays_the_users(tmp_path):
    file = tmp_path / "chat.jinja"
    file.write_text(
        "{% for turn in messages %}[{{ turn.role }}]{{ turn.content }}[end]{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    for plain, framed in zip(DOCUMENTS[:20], Requests(20, template=str(file)), strict=True):
        assert framed.text == f"[user]{plain.text}[end][assistant]"
        assert framed.text_of("prompt") == plain.text
        assert framed.completion_start == len(framed.text)
        assert (framed.id, framed.group, framed.metadata) == (plain.id, plain.group, plain.metadata)


@pytest.mark.parametrize("fields", [{"documents": 1}, {"documents": 10_000}])
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ConfigError, match=r"the source `requests`: documents is .*: give a whole number"):
        Requests(**fields)


def test_a_template_that_is_not_there_is_told():
    with pytest.raises(ConfigError, match=r"`source.template` is `no/such/chat.jinja`"):
        next(iter(Requests(template="no/such/chat.jinja")))
