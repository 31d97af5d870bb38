"""What is kept of a completion is whole, whoever else writes, and whatever happens to the process."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import StoreError
from neurosieve.generation.trace_store import StoredCompletion, TraceStore, trace_key

MADE_WITH = {"weights": "w", "sampling": {"temperature": 0.4}}
ONE = StoredCompletion(" Wait, \u2028 no.\n\x00\U0001f600", (1, 2, 300_000), True)


def space(folder):
    return TraceStore(folder).space(MADE_WITH, "model")


def test_a_completion_comes_back_as_it_was_in_another_process_too(tmp_path):
    space(tmp_path).add("key", ONE)
    assert space(tmp_path).find("key") == ONE
    assert space(tmp_path).find("other") is None


def test_spaces_that_were_made_otherwise_share_nothing(tmp_path):
    space(tmp_path).add("key", ONE)
    for other in ({"weights": "v"}, MADE_WITH | {"edits": "x"}, {"weights": "w", "sampling": {"temperature": 0.5}}):
        assert TraceStore(tmp_path).space(other, "model").find("key") is None


def test_the_name_of_the_model_is_for_people_alone(tmp_path):
    space(tmp_path).add("key", ONE)
    assert TraceStore(tmp_path).space(MADE_WITH, "renamed").find("key") == ONE


def test_a_space_says_what_its_completions_were_made_with(tmp_path):
    made = space(tmp_path)
    about = json.loads((made.folder / "traces.json").read_text())
    assert about == {"model": "model", "format": 1} | MADE_WITH


@pytest.mark.parametrize("left", [1, 10, -2, -1])
def test_a_line_that_is_torn_is_passed_over_and_counted(tmp_path, left):
    made = space(tmp_path)
    made.add("first", ONE)
    whole = next(made.folder.glob("*.jsonl")).read_bytes()
    made.add("second", ONE)
    [journal] = made.folder.glob("*.jsonl")
    torn = journal.read_bytes()[len(whole) :][:left]
    journal.write_bytes(whole + torn)
    store = TraceStore(tmp_path)
    again = store.space(MADE_WITH)
    assert again.find("first") == ONE
    # A line without its line break alone is whole.
    assert again.find("second") == (ONE if left == -1 else None)
    assert store.torn == (left != -1)
    again.add("second", ONE)
    assert space(tmp_path).find("second") == ONE


@pytest.mark.parametrize(
    "line", ['"text"', "[]", "{}", '{"key": 1}', '{"key": "k", "text": "t", "token_ids": 7}', "\xff"]
)
def test_a_line_that_holds_something_else_is_counted(tmp_path, line):
    made = space(tmp_path)
    (made.folder / "strange.jsonl").write_bytes(line.encode("latin-1") + b"\n")
    store = TraceStore(tmp_path)
    assert store.space(MADE_WITH).find("k") is None
    assert store.torn == 1


def test_several_that_write_at_once_tear_no_line(tmp_path):
    code = (
        "import sys; from pathlib import Path; from neurosieve.generation.trace_store import *;"
        "space = TraceStore(Path(sys.argv[1])).space({'weights': 'w', 'sampling': {'temperature': 0.4}});"
        "[space.add(f'{sys.argv[2]}/{n}', StoredCompletion('x' * 20_000, tuple(range(500)), True)) for n in range(60)]"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)]) for number in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    store = TraceStore(tmp_path)
    read = store.space(MADE_WITH)
    assert store.torn == 0
    assert all(read.find(f"{writer}/{number}") is not None for writer in range(3) for number in range(60))
    assert len(list(read.folder.glob("*.jsonl"))) == 3


def test_a_space_that_nothing_was_added_to_leaves_no_journal(tmp_path):
    made = space(tmp_path)
    made.close()
    assert [file.name for file in made.folder.iterdir()] == ["traces.json"]


@given(
    left=st.tuples(st.lists(st.integers(0, 300_000), max_size=5), st.integers(0, 2**60)),
    right=st.tuples(st.lists(st.integers(0, 300_000), max_size=5), st.integers(0, 2**60)),
)
def test_prompts_and_seeds_that_differ_have_other_keys(left, right):
    assert (trace_key(*left) == trace_key(*right)) == (left == right)


def test_the_key_is_the_same_ever_after():
    # What is kept would be lost if it changed, and every draw would be another.
    assert trace_key([2, 17, 300_000], 5) == "8e45414702bdde6c563f4ac8f4fbe23b"


def test_a_place_that_cannot_be_written_is_an_error_with_advice(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write or read the kept traces .*store=<folder>"):
        TraceStore(tmp_path / "file").space(MADE_WITH)


def test_a_full_disk_is_an_error_with_advice(tmp_path, monkeypatch):
    made = space(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(StoreError, match=r"cannot keep a trace .*No space left on device.*goes on from here"):
        made.add("key", ONE)
