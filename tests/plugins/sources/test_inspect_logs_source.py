"""Logs of Inspect, written and read by Inspect."""

import pytest

from neurosieve import ConfigError, DataError, Skipped
from neurosieve_plugins.sources.inspect_logs import InspectLogs

log = pytest.importorskip("inspect_ai.log", reason="the extra `inspect` is not installed")
from inspect_ai.model import (  # noqa: E402  # Only where it is installed.
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    ContentReasoning,
    ContentText,
    ModelOutput,
)
from inspect_ai.scorer import Score  # noqa: E402

THINKS = ChatMessageAssistant(content=[ContentReasoning(reasoning="Easy."), ContentText(text="Two.")])


@pytest.fixture
def write(tmp_path):
    def write(*samples, name="adding.eval"):
        spec = log.EvalSpec(
            created="2026-01-01T00:00:00+00:00",
            task="adding",
            model="a/model",
            dataset=log.EvalDataset(),
            config=log.EvalConfig(),
        )
        file = tmp_path / name
        log.write_eval_log(log.EvalLog(eval=spec, samples=list(samples), status="success"), str(file))
        return str(file)

    return write


def sample(number, epoch, *messages, **fields):
    return log.EvalSample(id=number, epoch=epoch, input="1 + 1?", target="2", messages=list(messages), **fields)


def parted(document):
    return [(passage.role, document.text[passage.start : passage.end]) for passage in document.passages]


@pytest.mark.parametrize("ending", [".eval", ".json"])
def test_each_epoch_of_a_sample_is_a_document_of_one_group_with_its_scores(write, ending):
    turns = (ChatMessageSystem(content="Be brief."), ChatMessageUser(content="1 + 1?"), THINKS)
    scores = {"match": Score(value="C"), "length": Score(value=3)}
    path = write(
        *(sample(7, epoch, *turns, scores=scores, metadata={"level": 1}) for epoch in (1, 2)), name=f"a{ending}"
    )
    first, second = InspectLogs(path)
    assert (first.id, second.id) == ("7/1", "7/2")
    assert first.group == second.group == "1 + 1?"
    assert parted(first) == [
        ("system", "Be brief."),
        ("user", "1 + 1?"),
        ("thought", "Easy.\n</think>"),
        ("answer", "\n\nTwo."),
    ]
    about = {"level": 1, "score_match": "C", "score_length": 3, "sample": "7", "epoch": 1, "answer": "2"}
    assert first.metadata == about | {"task": "adding", "model": "a/model"}
    assert next(iter(InspectLogs(path, group_field="sample"))).group == "7"


def test_why_the_model_stopped_is_in_the_metadata(write):
    output = ModelOutput.from_content("a/model", "Two.", stop_reason="max_tokens")
    turns = ChatMessageUser(content="1 + 1?"), ChatMessageAssistant(content="Two.")
    [document] = InspectLogs(write(sample(1, 1, *turns, output=output)))
    assert document.metadata["stop_reason"] == "max_tokens"


def test_what_tools_say_is_not_the_models(write):
    turns = (
        ChatMessageUser(content="1 + 1?"),
        ChatMessageTool(content="Wait, 2."),
        ChatMessageAssistant(content="Two."),
    )
    [document] = InspectLogs(write(sample(1, 1, *turns)))
    assert parted(document) == [("user", "1 + 1?"), ("tool", "Wait, 2."), ("completion", "Two.")]


def test_a_sample_without_an_answer_is_told_and_can_be_skipped(write):
    error = log.EvalError(message="out of time", traceback="", traceback_ansi="")
    path = write(
        sample(1, 1, ChatMessageUser(content="1 + 1?"), THINKS), sample(2, 1, ChatMessageUser(content="?"), error=error)
    )
    with pytest.raises(DataError, match=r"^sample `2`, epoch 1, of .* holds no text of the model"):
        list(InspectLogs(path))
    assert isinstance(list(InspectLogs(path, on_bad_record="skip"))[1], Skipped)


def test_the_logs_of_a_folder_name_their_documents_apart(write, tmp_path):
    for name in ("a.eval", "b.json"):
        write(sample(1, 1, ChatMessageUser(content="1 + 1?"), THINKS), name=name)
    assert [document.id for document in InspectLogs(str(tmp_path))] == ["a/1/1", "b/1/1"]


def test_what_is_no_log_is_told(write, tmp_path):
    path = write(sample(1, 1, ChatMessageUser(content="1 + 1?"), THINKS))
    (tmp_path / "cut.eval").write_bytes((tmp_path / "adding.eval").read_bytes()[:200])
    with pytest.raises(DataError, match="cannot be read as a log of Inspect"):
        list(InspectLogs(str(tmp_path / "cut.eval")))
    with pytest.raises(DataError, match="there is no such log"):
        list(InspectLogs(path + "x"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no log"):
        list(InspectLogs(str(tmp_path / "empty")))
    with pytest.raises(DataError, match="hold no sample"):
        list(InspectLogs(write(name="none.eval")))
    with pytest.raises(ConfigError, match="`path` of the source"):
        InspectLogs(" ")
