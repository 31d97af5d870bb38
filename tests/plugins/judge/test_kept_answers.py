import pytest

from neurosieve import StoreError
from neurosieve_plugins.judge.answers import Answer
from neurosieve_plugins.judge.kept_answers import KeptAnswers, kept_answers
from neurosieve_plugins.judge.prompt import Request

REQUEST = Request("task", "text \ud83d é", 2, 0, ("doubt",), several=False, none=True)


def test_an_answer_is_there_for_everybody_once_it_is_kept(tmp_path):
    answer = Answer("{}\u2028é", "stop", "", "m", 3, None)
    assert KeptAnswers(tmp_path, "http://a", "m").find(REQUEST) is None
    assert not list(tmp_path.iterdir()), "to look is not to write"
    assert KeptAnswers(tmp_path, "http://a", "m").keep(REQUEST, answer) == answer
    assert KeptAnswers(tmp_path, "http://a", "m").find(REQUEST) == answer
    assert len(KeptAnswers(tmp_path, "http://a", "m")) == 1


def test_reading_answers_writes_nothing(tmp_path):
    kept = KeptAnswers(tmp_path, "http://a", "m")
    kept.keep(REQUEST, Answer("one"))
    (kept.folder / "answers.json").unlink()  # Whoever writes would write it again.
    before = {file: file.stat().st_mtime_ns for file in (kept.folder, *kept.folder.iterdir())}
    reader = KeptAnswers(tmp_path, "http://a", "m")
    assert reader.find(REQUEST) == Answer("one")
    assert len(reader) == 1
    assert {file: file.stat().st_mtime_ns for file in (kept.folder, *kept.folder.iterdir())} == before
    reader.check_can_keep()
    assert (kept.folder / "answers.json").exists()


def test_a_file_that_another_process_has_just_made_holds_no_answer_yet(tmp_path):
    reader, writer = KeptAnswers(tmp_path, "http://a", "m"), KeptAnswers(tmp_path, "http://a", "m")
    reader.folder.mkdir()
    (reader.folder / "answers.sqlite").touch()
    assert reader.find(REQUEST) is None
    writer.keep(REQUEST, Answer("one"))
    assert reader.find(REQUEST) == Answer("one")


def test_the_first_answer_stays(tmp_path):
    first, second = KeptAnswers(tmp_path, "http://a", "m"), KeptAnswers(tmp_path, "http://a", "m")
    assert first.keep(REQUEST, Answer("one")).text == "one"
    assert second.keep(REQUEST, Answer("two")).text == "one"


@pytest.mark.parametrize(
    "change",
    [
        {"system": "t"},
        {"user": "u"},
        {"attempt": 1},
        {"labels": ("d",)},
        {"several": True},
        {"none": False},
        {"size": 3},
    ],
    ids=str,
)
def test_another_request_is_another_address(tmp_path, change):
    kept = KeptAnswers(tmp_path, "http://a", "m")
    kept.keep(REQUEST, Answer("one"))
    assert kept.find(REQUEST._replace(**change)) is None
    assert KeptAnswers(tmp_path, "http://b", "m").find(REQUEST) is None
    assert KeptAnswers(tmp_path, "http://a", "n").find(REQUEST) is None


def test_answers_that_were_cleared_are_gone_and_new_ones_are_kept(tmp_path):
    kept = KeptAnswers(tmp_path, "http://a", "m")
    kept.keep(REQUEST, Answer("one"))
    for file in kept.folder.iterdir():
        file.unlink()
    kept.folder.rmdir()
    assert kept.find(REQUEST) is None
    assert kept.keep(REQUEST, Answer("two")).text == "two"
    assert KeptAnswers(tmp_path, "http://a", "m").find(REQUEST) == Answer("two")


def test_a_damaged_file_is_one_message_that_says_how_to_remove_it(cache):
    kept = kept_answers("http://a", "m")
    kept.keep(REQUEST, Answer("one"))
    (kept.folder / "answers.sqlite").write_bytes(b"no database at all " * 1000)
    with pytest.raises(StoreError, match=f"neurosieve cache --clear {kept.folder.name}"):
        KeptAnswers(cache / "answers", "http://a", "m").find(REQUEST)


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot keep or read a judge's answers"):
        KeptAnswers(tmp_path / "file", "http://a", "m").keep(REQUEST, Answer("one"))
