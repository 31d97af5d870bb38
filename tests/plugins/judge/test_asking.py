"""A judge at a real server, one that works and one that fails in every way."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from email.utils import formatdate
from pathlib import Path
from threading import Lock, Thread

import pytest
from judge_servers import Reply, answer_with, entries_of, judge_server

from neurosieve import ConfigError, Document, ModelError, StoreError
from neurosieve_plugins.detectors.judge import Judge
from neurosieve_plugins.judge.account import account_of

TEXT = " ".join(
    f"So part {n} is nine. Wait, part {n} is not right. Now part {n} is ten. Hmm, is part {n} ten?" for n in range(10)
)
"""Forty sentences, of which ten begin with "Wait"."""
DOCUMENT = Document("a", TEXT, "a")
DOCUMENTS = [Document(f"d{n}", TEXT.replace("part", f"piece {n}"), f"d{n}") for n in range(6)]


def rule(text):
    return "backtracking" if text.startswith("Wait") else "none"


def judge(server, **fields):
    fields = {"window": 10, "retry_seconds": 3.0, "timeout_seconds": 5.0, "base_url": server.base_url, **fields}
    return Judge(fields.pop("taxonomy", "backtracking"), fields.pop("model", "judge-1"), **fields)


def truth(document=DOCUMENT):
    return sorted((found, document.text.index(".", found) + 1) for found in positions(document.text, "Wait"))


def positions(text, word):
    return [place for place in range(len(text)) if text.startswith(word, place)]


def spans(detector, document=DOCUMENT):
    return sorted((span.start, span.end) for span in detector.detect(document))


def unknown(detector, document=DOCUMENT):
    return Counter(span.label for span in detector.near_misses(document))


def prepare(detector, documents=(DOCUMENT,)):
    events = []
    remarks = list(detector.prepare(list(documents), lambda **event: events.append(event)))
    return " | ".join(remarks), events


def once(number_of_request, reply):
    """Give another reply to one request."""
    return lambda number, body: reply if number == number_of_request else None


def test_the_labels_are_those_of_the_judge():
    with judge_server(rule) as server:
        assert spans(judge(server)) == truth()
        assert not unknown(judge(server))
        assert len(server.bodies) == 4
        assert server.bodies[0]["response_format"]["type"] == "json_schema"
        assert server.bodies[0]["temperature"] == 0


def test_a_second_run_asks_nothing():
    with judge_server(rule) as server:
        detector = judge(server)
        assert detector.estimate(DOCUMENTS).startswith("24 requests to `judge-1`")
        said, events = prepare(detector, DOCUMENTS)
        assert "labelled 240 sentences by `backtracking` (address of the task's text: " in said
        assert ", 0 of them by kept answers: 24 requests sent, 2,400 tokens in and 240 out (as the server " in said
        assert events[-1]["done"] == events[-1]["total"] == 24
        assert detector.estimate(DOCUMENTS) == ""
        assert all(spans(judge(server), document) == truth(document) for document in DOCUMENTS)
        assert "nothing was sent" in prepare(detector, DOCUMENTS)[0]
        assert len(server.bodies) == 24


def test_behaviours_of_one_taxonomy_share_the_answers():
    def by_word(text):
        return {"W": "self_checking", "H": "uncertainty_management"}.get(text[0], "active_computation")

    with judge_server(by_word) as server:
        checking = judge(server, taxonomy="thought_anchors", labels=("self_checking",))
        doubting = judge(server, taxonomy="thought_anchors", labels=("uncertainty_management",))
        prepare(checking)
        assert "nothing was sent" in prepare(doubting)[0]
        assert spans(checking) == truth()
        assert [TEXT[start] for start, _ in spans(doubting)] == ["H"] * 10
        assert len(spans(judge(server, taxonomy="thought_anchors"))) == 40
        assert len(server.bodies) == 4


def test_behaviours_that_ask_at_once_in_two_threads_share_the_answers():
    with judge_server(rule, lambda number, body: time.sleep(0.05)) as server:
        threads = [Thread(target=prepare, args=(judge(server, labels=("backtracking",)),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.bodies) == 4


def test_texts_that_stand_twice_are_asked_for_once():
    with judge_server(rule) as server:
        prepare(judge(server), [DOCUMENT, Document("b", f"\n\n{TEXT}", "b"), *DOCUMENTS[:1]])
        assert len(server.bodies) == 8


def test_no_more_requests_are_under_way_than_allowed():
    with judge_server(rule, lambda number, body: time.sleep(0.02)) as server:
        prepare(judge(server, concurrency=3), DOCUMENTS)
        assert server.most_at_once == 3


def test_another_model_address_taxonomy_or_window_has_answers_of_its_own():
    with judge_server(rule) as server, judge_server(lambda text: "none") as other:
        assert spans(judge(server)) == truth()
        assert spans(judge(other)) == []
        assert spans(judge(server, window=20)) == truth()
        assert len(server.bodies) == 6
        assert len(other.bodies) == 4


GOOD = '{"labels": [{"number": 1, "label": "none"}]}'
PASSING = {
    "busy": (Reply(429), "status 429"),
    "busy, for a while": (Reply(429, {"retry-after": "0.2"}), "status 429"),
    "busy, until a date": (Reply(429, {"retry-after": formatdate(time.time() - 5)}), "status 429"),
    "busy, until nobody knows": (Reply(429, {"retry-after": "soon"}), "status 429"),
    "an error": (Reply(500, body="oh"), "status 500"),
    "overloaded": (Reply(503, {"retry-after": "0"}), "status 503"),
    "a cut body": (Reply(content=GOOD, cut=True), "the connection broke"),
    "half of the JSON": (Reply(body='{"id": "c", "choices": [{"mess'), "the response is cut off, or is not JSON"),
    "a page": (Reply(headers={"content-type": "text/html"}, body="<h1>Hello</h1>"), "is cut off, or is not JSON"),
    "no choices": (Reply(body='{"choices": [], "error": {"message": "worker died"}}'), "no answer: worker died"),
    "a list": (Reply(body="[]"), "the response is not a chat completion"),
}


@pytest.mark.parametrize(("reply", "reason"), PASSING.values(), ids=PASSING)
def test_what_passes_is_asked_again_and_counted(reply, reason):
    with judge_server(rule, once(2, reply)) as server:
        said, _ = prepare(judge(server))
        assert "the server could not serve 1 request at first (1: " in said
        assert reason in said
        assert spans(judge(server)) == truth()
        assert len(server.bodies) == 5


def test_a_server_that_hangs_is_asked_again():
    with judge_server(rule, once(1, Reply(sleep=0.6))) as server:
        said, _ = prepare(judge(server, timeout_seconds=0.3))
        assert "(1: no answer within 0.3 seconds" in said
        assert spans(judge(server)) == truth()


def test_a_wait_that_the_server_asks_for_is_kept():
    with judge_server(rule, once(0, Reply(429, {"retry-after": "0.5"}))) as server:
        started = time.monotonic()
        prepare(judge(server))
        assert time.monotonic() - started > 0.5


@pytest.mark.parametrize(
    "reply", [Reply(500, body=""), Reply(429, {"retry-after": "3600"}, body="")], ids=["failing", "busy for an hour"]
)
def test_a_server_that_stays_away_ends_the_run_and_all_that_came_is_kept(reply):
    with judge_server(rule, lambda number, body: reply if number >= 2 else None) as server:
        started = time.monotonic()
        with pytest.raises(ModelError) as error:
            prepare(judge(server, retry_seconds=0.5, concurrency=1))
        assert time.monotonic() - started < 1.5
        assert f"gave no answer in 0.5 s of trying: status {reply.status}; 2 of 4 requests are done" in str(error.value)
        assert "2 answers of `judge-1` are kept, and the same command goes on from here" in str(error.value)
        server.script = lambda number, body: None
        before = len(server.bodies)
        assert spans(judge(server)) == truth()
        assert len(server.bodies) == before + 2


def test_a_failure_does_not_lose_the_answers_under_way():
    def script(number, body):
        return Reply(401) if number == 2 else Reply(sleep=0.3, content=answer_with(entries_of(body, rule)))

    with judge_server(rule, script) as server, pytest.raises(ConfigError, match="3 answers of `judge-1` are kept"):
        prepare(judge(server))


UNSOUND = {
    "nothing": (Reply(content=""), "the answer is empty"),
    "prose": (Reply(content="They are all fine."), "the answer is not the JSON that was asked for"),
    "a refusal": (Reply(content="", refusal="I will not."), "the judge refused"),
    "a filter": (Reply(content="", finish="content_filter"), "the judge refused"),
    "nothing, cut off": (Reply(content="", finish="length"), "the answer is cut off"),
    "no list": (Reply(content='{"labels": []}'), "the answer skips it"),
}


@pytest.mark.parametrize(("reply", "reason"), UNSOUND.values(), ids=UNSOUND)
def test_an_answer_that_is_not_sound_is_asked_for_again_in_two_halves(reply, reason):
    with judge_server(rule, once(1, reply)) as server:
        said, _ = prepare(judge(server, concurrency=1))
        assert f"10 times a sentence was asked for again, as it had no sound answer (10: {reason})" in said
        assert spans(judge(server)) == truth()
        assert not unknown(judge(server))
        assert sorted(numbered(body) for body in server.bodies) == [5, 5, 10, 10, 10, 10]


def numbered(body):
    return sum("number" in item for item in json.loads(body["messages"][1]["content"])["passage"])


@pytest.mark.parametrize(("reply", "reason"), UNSOUND.values(), ids=UNSOUND)
def test_what_never_has_a_sound_answer_is_unknown_and_never_guessed(reply, reason):
    def script(number, body):
        return reply if "part 7" in body["messages"][1]["content"] else None

    with judge_server(rule, script) as server:
        detector = judge(server, context=0)
        said, _ = prepare(detector)
        not_known = {(span.start, span.end) for span in detector.near_misses(DOCUMENT)}
        # The four sentences about part 7, and who stands in the last requests with them.
        assert 4 <= len(not_known) < 10
        assert set(unknown(detector)) == {reason}
        assert f"{len(not_known)} of 40 sentences have no sound answer after 3 attempts" in said
        assert f"({len(not_known)}: {reason}): they count neither as the behaviour nor as controls" in said
        assert spans(detector) == [span for span in truth() if span not in not_known]
        asked = len(server.bodies)
        # What is unknown stays unknown: the same run gives the same labels.
        assert {(span.start, span.end) for span in judge(server, context=0).near_misses(DOCUMENT)} == not_known
        assert len(server.bodies) == asked


def test_only_the_sentences_without_a_sound_entry_are_asked_for_again():
    def script(number, body):
        if number:
            return None
        entries = entries_of(body, rule)
        entries[0]["number"] = 77  # Out of range.
        entries[1]["label"] = "joy"
        entries[2]["number"] = 4  # Stands twice then.
        return Reply(content=f"Here you are: {answer_with(entries[:-1])} Have a nice day!")

    with judge_server(rule, script) as server:
        said, _ = prepare(judge(server, concurrency=1))
        assert spans(judge(server)) == truth()
        assert [numbered(body) for body in server.bodies] == [10, 5, 10, 10, 10]
        assert "5 times a sentence was asked for again, as it had no sound answer" in said
        assert "1: a label that is not one" in said
        assert "1: it is labelled twice" in said
        assert "3: the answer skips it" in said
        assert "1 entry of the answers were for what was not asked for" in said


def test_whole_entries_of_an_answer_that_was_cut_off_are_taken():
    def script(number, body):
        return Reply(content=answer_with(entries_of(body, rule))[:95], finish="length") if not number else None

    with judge_server(rule, script) as server:
        said, _ = prepare(judge(server, concurrency=1))
        assert numbered(server.bodies[1]) == 5
        assert "8: the answer is cut off" in said
        assert spans(judge(server)) == truth()


def refuses(word, status=400):
    def script(number, body):
        return (
            Reply(status, body=json.dumps({"error": {"message": f"{word} is not known here"}}))
            if word in body
            else None
        )

    return script


@pytest.mark.parametrize(("word", "status"), [("temperature", 400), ("response_format", 400), ("response_format", 422)])
def test_what_a_server_does_not_take_is_left_out_from_then_on(word, status):
    with judge_server(rule, refuses(word, status)) as server:
        said, _ = prepare(judge(server, concurrency=1))
        assert "the server does not take" in said
        assert spans(judge(server)) == truth()
        assert sum(word in body for body in server.bodies) <= 2
        assert all(word not in body for body in server.bodies[3:])


def test_a_server_that_takes_only_the_simpler_form_of_a_schema_is_given_that():
    def script(number, body):
        return Reply(422, body='{"detail": "no"}') if body["response_format"]["type"] == "json_schema" else None

    with judge_server(rule, script) as server:
        assert spans(judge(server)) == truth()
        assert server.bodies[-1]["response_format"]["schema"]["required"] == ["labels"]


@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_server_that_fails_over_the_form_of_the_schema_is_given_another_at_once(status):
    message = (
        "1 validation error: {'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be 'json_object'\"}"
    )
    refusal = Reply(status, body=json.dumps({"error": {"message": message}}))

    def script(number, body):
        return refusal if body["response_format"]["type"] == "json_schema" else None

    with judge_server(rule, script) as server:
        said, _ = prepare(judge(server, concurrency=1))
        assert spans(judge(server)) == truth()
        assert "the server does not take `json_schema`" in said
        assert "could not serve" not in said
        assert [body["response_format"]["type"] for body in server.bodies] == ["json_schema", *["json_object"] * 4]


def test_a_server_that_fails_for_another_reason_keeps_its_schema():
    with judge_server(rule, once(0, Reply(500, body="out of memory"))) as server:
        said, _ = prepare(judge(server, concurrency=1))
        assert {body["response_format"]["type"] for body in server.bodies} == {"json_schema"}
        assert "(1: status 500: out of memory)" in said


def test_a_server_that_never_answered_is_given_up_sooner(monkeypatch):
    monkeypatch.setattr("neurosieve_plugins.judge.endpoint._NEVER_ANSWERED_SECONDS", 0.3)
    trouble = Reply(500, body='{"error": {"message": "no weights\\nTraceback"}}')
    with judge_server(rule, lambda number, body: trouble if number else None) as server:
        started = time.monotonic()
        with pytest.raises(ModelError, match=r"in 1 s of trying: status 500: .*no weights.*; 1 of 4 requests are done"):
            prepare(judge(server, concurrency=1, retry_seconds=1.0))
        assert time.monotonic() - started > 0.3, "it had answered before"
    account_of.cache_clear()
    said = r"in 0\.3 s of trying: status 500: .*no weights.*; it has never answered"
    with judge_server(rule, lambda number, body: trouble) as server, pytest.raises(ModelError, match=said):
        prepare(judge(server, concurrency=1, retry_seconds=60.0))


def test_a_slow_server_that_works_on_one_request_at_a_time_loses_none():
    one_at_a_time = Lock()

    def script(number, body):
        with one_at_a_time:
            time.sleep(0.1)

    with judge_server(rule, script) as server:
        said, _ = prepare(judge(server, concurrency=4, timeout_seconds=3.0))
        assert "could not serve" not in said
        assert len(server.bodies) == 4


def test_a_server_without_a_system_message_gets_one_message():
    def script(number, body):
        roles = [message["role"] for message in body["messages"]]
        if "system" in roles:
            return Reply(400, body='{"error": {"message": "System role not supported"}}')
        passage = body["messages"][0]["content"].rpartition("\n\n")[2]
        return Reply(content=answer_with(entries_of({"messages": [{}, {"content": passage}]}, rule)))

    with judge_server(rule, script) as server:
        said, _ = prepare(judge(server))
        assert "the server does not take `system message`" in said
        assert spans(judge(server)) == truth()


def test_the_length_of_an_answer_is_limited_in_the_words_of_the_server():
    with judge_server(rule, refuses("max_tokens")) as server:
        prepare(judge(server, answer_tokens=77, concurrency=1))
        assert [(body.get("max_tokens"), body.get("max_completion_tokens")) for body in server.bodies[:3]] == [
            (77, None),
            (None, 77),
            (None, 77),
        ]


def test_what_a_server_took_before_is_not_left_out_for_one_request_that_it_refuses():
    filtered = {"message": "bad request: temperature response_format", "code": "content_filter"}
    with judge_server(rule, once(3, Reply(400, body=json.dumps({"error": filtered})))) as server:
        said, _ = prepare(judge(server, concurrency=1))
        assert "does not take" not in said
        assert "10: the server refused" in said
        assert all("temperature" in body and "response_format" in body for body in server.bodies)
        assert spans(judge(server)) == truth()


def test_a_request_that_is_too_long_leaves_the_schema_to_the_others():
    too_long = Reply(400, body='{"error": {"message": "maximum context length is 512 tokens"}}')
    with judge_server(rule, lambda number, body: too_long if numbered(body) == 10 and number == 1 else None) as server:
        prepare(judge(server, concurrency=1))
        assert {body["response_format"]["type"] for body in server.bodies} == {"json_schema"}


def test_a_request_that_the_server_refuses_is_asked_for_in_parts_and_then_unknown():
    def script(number, body):
        too_long = "part 7" in body["messages"][1]["content"]
        return Reply(400, body='{"error": {"message": "maximum context length"}}') if too_long else None

    with judge_server(rule, script) as server:
        detector = judge(server, context=0, concurrency=1)
        said, _ = prepare(detector)
        assert "a refusal, in its own words: “status 400: " in said
        assert "maximum context length" in said
        assert set(unknown(detector)) == {"the server refused"}
        assert 4 <= unknown(detector).total() < 10


def test_a_server_that_refuses_every_request_ends_the_run_with_its_reason():
    with (
        judge_server(
            rule, lambda number, body: Reply(400, body='{"error": {"message": "no chat template"}}')
        ) as server,
        pytest.raises(ModelError, match=r"refuses the request \(status 400\): .*no chat template"),
    ):
        prepare(judge(server))


def test_a_text_that_is_too_long_stops_no_run_though_it_comes_first():
    too_long = Reply(400, body='{"error": {"message": "This model reads a maximum context length of 512 tokens"}}')
    with judge_server(
        rule, lambda number, body: too_long if "part 0" in body["messages"][1]["content"] else None
    ) as server:
        detector = judge(server, context=0, concurrency=1)
        prepare(detector)
        assert set(unknown(detector)) == {"the server refused"}
        assert len(spans(detector)) == 9


@pytest.mark.parametrize(
    "said",
    [
        {"message": "Billing hard limit has been reached", "code": "billing_hard_limit_reached"},
        {"message": "You have used the maximum of 1000 tokens of your plan"},
        {},
    ],
    ids=["a billing limit", "a limit in tokens", "no reason"],
)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_that_is_not_of_the_text_ends_the_run_and_is_not_kept(said, status):
    refused = Reply(status, body=json.dumps({"error": said}) if said else "")
    with judge_server(rule, lambda number, body: refused if number >= 2 else None) as server:
        with pytest.raises(ModelError) as error:
            prepare(judge(server, concurrency=1))
        assert f"refuses the request (status {status}): {said.get('message', 'it gives no reason')}" in str(error.value)
        assert "if that is the text, leave out the document: the request is of “So part 5 is nine.”" in str(error.value)
        assert "2 answers of `judge-1` are kept, and the same command goes on from here" in str(error.value)
        assert len(server.bodies) == 3
        server.script = lambda number, body: None
        assert spans(judge(server)) == truth()
        assert not unknown(judge(server))


@pytest.mark.parametrize(
    "said",
    [
        {"message": "no", "code": "content_filter"},
        {"message": "no", "code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
        {"message": "no", "type": "content_policy_violation"},
    ],
    ids=str,
)
def test_a_refusal_by_a_filter_is_of_the_text_and_kept(said):
    refused = Reply(400, body=json.dumps({"error": said}))
    with judge_server(rule, lambda n, body: refused if "part 7" in body["messages"][1]["content"] else None) as server:
        detector = judge(server, context=0, concurrency=1)
        prepare(detector)
        sent = len(server.bodies)
        assert set(unknown(detector)) == {"the server refused"}
        assert len(server.bodies) == sent


def test_a_run_that_goes_on_knows_that_the_judge_has_answered_before():
    with judge_server(rule, once(1, Reply(401))) as server:
        with pytest.raises(ConfigError):
            prepare(judge(server, concurrency=1))
        account_of.cache_clear()  # As in another process.
        server.script = lambda number, body: Reply(500)
        with pytest.raises(ModelError) as error:
            prepare(judge(server, concurrency=1, retry_seconds=0.2))
        assert "it has never answered" not in str(error.value)


def test_nothing_is_sent_behind_what_ends_the_run():
    def script(number, body):
        # What comes from the others is not sound: it would be asked for again, in smaller requests.
        return Reply(401) if number == 0 else Reply(content="They are all fine.", sleep=0.3)

    with judge_server(rule, script) as server:
        with pytest.raises(ConfigError, match="does not take the key"):
            prepare(judge(server, concurrency=4), DOCUMENTS)
        assert len(server.bodies) <= 4


def test_nothing_more_is_sent_where_no_answer_can_be_kept(cache):
    def script(number, body):
        if number == 4:
            [folder] = (cache / "answers").iterdir()
            shutil.rmtree(folder)
            folder.write_text("in the way")
        return None

    with judge_server(rule, script) as server:
        with pytest.raises(StoreError, match="cannot keep or read a judge's answers"):
            prepare(judge(server, concurrency=2), DOCUMENTS)
        assert len(server.bodies) <= 7


def test_nothing_is_sent_where_no_answer_could_be_kept(cache):
    cache.mkdir()
    (cache / "answers").write_text("in the way")
    with judge_server(rule) as server:
        with pytest.raises(StoreError, match="cannot keep or read a judge's answers"):
            prepare(judge(server))
        assert not server.bodies


def test_the_answer_of_another_model_is_refused():
    with judge_server(rule, once(0, Reply(content=GOOD, model="judge-2"))) as server:
        with pytest.raises(ConfigError, match="asked for the model `judge-1`, and `judge-2` answered"):
            prepare(judge(server, concurrency=1))
        said, _ = prepare(judge(server))
        assert "4 requests sent" in said


def test_a_dated_version_of_the_model_and_a_name_that_is_expected_are_noted():
    with judge_server(rule, model="judge-1-2026-02-03") as server:
        said, _ = prepare(judge(server))
        assert "4 answers came under the name `judge-1-2026-02-03`" in said
    with judge_server(rule, model="llama") as server:
        said, _ = prepare(judge(server, served_model="llama"))
        assert "4 answers came under the name `llama`" in said


def test_a_key_is_sent_only_where_it_is_named(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-openai-alone")
    monkeypatch.setenv("OUR_KEY", "sk-ours")
    with judge_server(rule) as server:
        prepare(judge(server))
        assert set(server.keys) == {"Bearer none"}
        prepare(judge(server, key_variable="OUR_KEY", window=20))
        assert server.keys[-1] == "Bearer sk-ours"


def test_a_key_appears_nowhere(monkeypatch, cache):
    monkeypatch.setenv("OUR_KEY", "sk-secret")
    with judge_server(rule) as server:
        detector = judge(server, key_variable="OUR_KEY")
        said, events = prepare(detector)
        assert "sk-secret" not in f"{detector!r}{said}{events}"
        assert all(b"sk-secret" not in file.read_bytes() for file in cache.rglob("*") if file.is_file())
        echo = '{"error": {"message": "the key sk-secret is wrong"}}'
        for status in (401, 403, 404, 418, 500):
            server.script = lambda number, body, status=status: Reply(status, body=echo)
            with pytest.raises((ConfigError, ModelError)) as error:
                prepare(judge(server, key_variable="OUR_KEY", window=7, retry_seconds=0.1))
            assert "sk-secret" not in str(error.value)
            if status in (401, 403):
                assert "look at the environment variable `OUR_KEY`" in str(error.value)


def test_a_missing_key_is_told_before_anything_is_sent(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="the environment variable `OPENAI_API_KEY` is not set"):
        list(Judge("backtracking", "judge-1").detect(DOCUMENT))
    with judge_server(rule) as server:
        with pytest.raises(ConfigError, match="`OUR_KEY` is not set"):
            prepare(judge(server, key_variable="OUR_KEY"))
        assert not server.bodies


def test_a_model_that_the_server_does_not_have_is_answered_with_those_it_has():
    with judge_server(rule, lambda number, body: Reply(404, body='{"error": {"message": "no"}}')) as server:
        with pytest.raises(ConfigError, match="has no model `judge-l`: did you mean `judge-1`"):
            prepare(judge(server, model="judge-l"))
        with pytest.raises(ConfigError, match="has the model `judge-1`, and no chat completions"):
            prepare(judge(server))


def test_an_endpoint_that_is_not_there_is_told_at_once():
    with judge_server(rule) as server:
        gone = judge(server)
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"nothing answers at http://127\.0\.0\.1"):
        prepare(gone)
    assert time.monotonic() - started < 1.5


def test_no_credit_is_not_waited_for():
    body = '{"error": {"message": "You have no credit.", "code": "insufficient_quota"}}'
    with judge_server(rule, lambda number, _: Reply(429, body=body)) as server:
        with pytest.raises(ModelError, match="has no credit left"):
            prepare(judge(server, concurrency=1))
        assert len(server.bodies) == 1


def test_a_budget_of_requests_ends_the_run_cleanly_and_a_higher_one_goes_on():
    with judge_server(rule) as server:
        with pytest.raises(
            ConfigError, match="the budget of 3 requests is used up; 3 of 4 requests are done, 3 answers"
        ):
            prepare(judge(server, budget_requests=3))
        assert len(server.bodies) == 3
        prepare(judge(server, budget_requests=4))
        assert spans(judge(server)) == truth()
        assert len(server.bodies) == 4


def test_a_budget_of_tokens_is_not_passed():
    with judge_server(rule) as server:
        with pytest.raises(ConfigError, match="the budget of 750 tokens is used up"):
            prepare(judge(server, budget_tokens=750, concurrency=1))
        assert 0 < len(server.bodies) < 4


def test_tokens_that_the_server_does_not_count_are_estimated():
    with judge_server(rule, lambda n, body: Reply(content=answer_with(entries_of(body, rule)), usage=False)) as server:
        assert "estimated for 4 of them" in prepare(judge(server))[0]


def test_prices_say_what_it_costs_before_and_after():
    with judge_server(rule) as server:
        detector = judge(server, prices=(1000.0, 2000.0))
        assert detector.estimate([DOCUMENT]).endswith("at the given prices")
        assert "400 tokens in and 40 out (as the server counts), 0.48 at the given prices" in prepare(detector)[0]


RUN = """
import sys
sys.path[:0] = {path!r}
from test_asking import DOCUMENTS, judge, prepare, spans
class Server: base_url = {base_url!r}
print(prepare(judge(Server, concurrency=2), DOCUMENTS)[0])
print([spans(judge(Server), document) for document in DOCUMENTS])
"""


def run_apart(server):
    here = Path(__file__)
    code = RUN.format(path=[str(here.parent), str(here.parents[2])], base_url=server.base_url)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_run_that_is_killed_twice_goes_on_and_ends_with_the_same_labels():
    undisturbed = str([truth(document) for document in DOCUMENTS])
    with judge_server(rule, lambda number, body: time.sleep(0.1)) as server:
        for sent in (5, 12):
            process = run_apart(server)
            while len(server.bodies) < sent:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        output, _ = run_apart(server).communicate()
        assert output.splitlines()[-1] == undisturbed
        # At most the requests under way were lost, each time.
        assert 24 <= len(server.bodies) <= 24 + 2 * 2
        assert "nothing was sent" in run_apart(server).communicate()[0]


@pytest.mark.slow
def test_two_processes_at_once_have_the_same_labels_though_the_judge_changes_its_mind():
    lie = iter(range(10_000))

    def fickle(text):
        return "backtracking" if next(lie) % 3 == 0 else "none"

    with judge_server(fickle, lambda number, body: time.sleep(0.05)) as server:
        first, second = run_apart(server), run_apart(server)
        labels = [process.communicate()[0].splitlines()[-1] for process in (first, second)]
        assert labels[0] == labels[1]
        assert labels[0] == run_apart(server).communicate()[0].splitlines()[-1]


@pytest.mark.slow
def test_ctrl_c_ends_at_once_and_keeps_what_came():
    with judge_server(rule, lambda number, body: time.sleep(0.05 if number < 6 else 30)) as server:
        process = run_apart(server)
        while len(server.bodies) < 8:
            time.sleep(0.01)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
        assert "interrupted; 6 of 24 requests are done, 6 answers of `judge-1` are kept, and the same command" in said
        assert time.monotonic() - started < 5
        server.script = lambda number, body: None
        assert run_apart(server).communicate()[0]
        assert len(server.bodies) == 8 + 24 - 6


def test_sentences_with_several_labels_have_all_of_them(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(
        "several: true\nnone: true\nlabels:\n  turn: {definition: It turns.}\n  doubt: {definition: It doubts.}\n"
    )

    def script(number, body):
        labels = {"W": ["doubt", "turn"], "H": ["doubt"]}
        items = [item for item in json.loads(body["messages"][1]["content"])["passage"] if "number" in item]
        return Reply(
            content=answer_with([{"number": i["number"], "labels": labels.get(i["text"][0], [])} for i in items])
        )

    with judge_server(rule, script) as server:
        found = list(judge(server, taxonomy=str(own)).detect(DOCUMENT))
        assert Counter(span.label for span in found) == {"turn, doubt": 10, "doubt": 10}
        assert spans(judge(server, taxonomy=str(own), labels=("turn",))) == truth()
        assert "labels" in server.bodies[0]["response_format"]["json_schema"]["schema"]["properties"]


def test_a_server_that_says_zero_seconds_again_and_again_is_not_flooded():
    with judge_server(rule, lambda number, body: Reply(429, {"retry-after": "0"})) as server:
        with pytest.raises(ModelError, match="gave no answer in 1 s"):
            prepare(judge(server, concurrency=1, retry_seconds=1.0))
        assert len(server.bodies) < 15


def test_a_judge_without_any_sound_answer_ends_the_run():
    with (
        judge_server(rule, lambda number, body: Reply(content=answer_with([]))) as server,
        pytest.raises(ModelError, match=r"gave no sound answer for any of .* the answer skips it"),
    ):
        prepare(judge(server, attempts=1))
