"""The page on which people label, as they have it: by keyboard alone, on a phone, by light and in the dark."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import DESKTOP, Page, browser, why_not

from neurosieve import Document, annotate
from neurosieve.testing.awkward import AWKWARD, MARKUP
from neurosieve_plugins.detectors.phrases import Phrases

pytestmark = pytest.mark.browser

PHONE = (360, 740)
SENTENCES = ("Wait, is that right?", "So it is 7 + 5 = 12.", "Hmm, that looks off.", "That gives 15 apples.")
KEYS = ["1", "2", "0", "u"]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser that keeps what it downloads."""
    if why_not():
        pytest.skip(why_not())
    with browser() as page:
        folder = str(tmp_path_factory.mktemp("downloads"))
        page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": folder})
        page.downloads = Path(folder)  # type: ignore[attr-defined]
        yield page


@pytest.fixture
def page(chromium: Page) -> Page:
    chromium.reset()
    for path in chromium.downloads.iterdir():
        path.unlink()
    return chromium


def documents() -> list[Document]:
    return [
        Document(f"d{number}", "Go on: " + " ".join(SENTENCES[number % 4 :] + SENTENCES[: number % 4]), f"g{number}", 7)
        for number in range(6)
    ]


def drawn(folder: Path, **settings):
    settings = {"sentences": 12, "labels": ("doubt", "work"), "reports": ()} | settings
    detectors = {"doubt": Phrases(("wait", "hmm"))}
    return annotate(settings.pop("source", documents()), detectors, folder=folder, **settings)


def keys(page: Page, *pressed: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in pressed:
        ActionChains(page.driver).send_keys(key).perform()


def enter() -> str:
    from selenium.webdriver.common.keys import Keys

    return Keys.ENTER


def text(page: Page, id: str) -> str:
    return page.ask("return document.getElementById(arguments[0]).textContent", id)


def fresh(page: Page, folder: Path) -> None:
    """Open a page as someone does who has never been there."""
    page.open(folder / "label.html")
    page.ask("localStorage.clear()")
    page.open(folder / "label.html")


def downloaded(page: Page) -> Path:
    for _ in range(100):
        if files := [path for path in page.downloads.iterdir() if path.suffix == ".jsonl"]:
            return files[0]
        time.sleep(0.1)
    raise AssertionError(f"nothing was downloaded; the page says: {text(page, 'alert')}")


def typed_by_keyboard(page: Page, run) -> dict[str, str]:
    """Label every sentence by keyboard alone, each by what it says, and return the label of each by its name."""
    items = [json.loads(line) for line in (run.folder / "to_label.jsonl").read_text().splitlines()]
    said = {}
    keys(page, enter())
    for item in items:
        assert text(page, "sentence") == item["text"]
        assert text(page, "before") == item["before"]
        key = KEYS[SENTENCES.index(item["text"])]
        said[item["sentence"]] = {"1": "doubt", "2": "work", "0": "none", "u": "unsure"}[key]
        keys(page, key)
    return said


def test_all_is_labelled_by_keyboard_alone_on_a_phone_and_read_back_as_it_was_typed(page, tmp_path):
    run = drawn(tmp_path / "run")
    page.width(PHONE)
    fresh(page, run.folder)
    assert page.ask("return document.activeElement.id") == "menu", "a reader of screens begins at the instructions"
    said = typed_by_keyboard(page, run)
    assert text(page, "end-title") == "All sentences are labelled"
    assert text(page, "progress-text") == "12 of 12 labelled"
    from selenium.webdriver.common.keys import Keys

    keys(page, Keys.TAB)
    assert "download" in page.ask("return document.activeElement.className")
    keys(page, enter())
    file = downloaded(page)
    assert file.name == "labels.jsonl"
    assert page.ask("return document.documentElement.scrollWidth") <= PHONE[0]
    assert page.said() == []
    assert [address for address in page.requested() if not address.startswith(("file:", "blob:"))] == []
    result = annotate(read=str(file), sample=str(run.folder), folder=tmp_path / "read", reports=())
    sentences = result.table("sentences").set_index("sentence")["labels"]
    assert sentences.to_dict() == said
    assert result.run["counts"]["sentences_unsure"] == list(said.values()).count("unsure")
    assert [json.loads(line)["unlabelled"] for line in file.read_text().splitlines()] == ["not known"] * 6


def test_labels_are_kept_in_the_browser_and_can_be_changed_and_removed(page, tmp_path):
    run = drawn(tmp_path / "run")
    fresh(page, run.folder)
    keys(page, enter(), "1", "2", "s", "0")
    assert text(page, "progress-text") == "3 of 12 labelled"
    for _ in range(50):  # A busy browser may show the page before it has kept what was pressed.
        page.open(run.folder / "label.html")
        if text(page, "place") == "Sentence 5 of 12":
            break
        time.sleep(0.1)
    assert text(page, "place") == "Sentence 5 of 12", "it goes on where it was left, without the instructions"
    from selenium.webdriver.common.keys import Keys

    keys(page, Keys.ARROW_LEFT)
    assert page.ask("return [...document.querySelectorAll('[aria-pressed=true]')].map((one) => one.dataset.label)") == [
        "none"
    ]
    keys(page, "0")
    assert text(page, "progress-text") == "2 of 12 labelled"
    assert text(page, "said") == "none removed"
    keys(page, "n")
    assert text(page, "place") == "Sentence 5 of 12"
    for _ in range(8):
        keys(page, "u")
    assert text(page, "end-text").startswith("2 sentences of 12 have no label yet.")
    page.click("#to-open")
    assert text(page, "place") == "Sentence 3 of 12"


def test_an_unfinished_file_is_downloaded_and_loaded_to_go_on(page, tmp_path):
    run = drawn(tmp_path / "run")
    fresh(page, run.folder)
    page.click("#annotator")
    keys(page, "Ada 1u")
    assert text(page, "progress-text") == "0 of 12 labelled", "letters of a name are no labels"
    page.click("#begin")
    keys(page, "1", "2", "0", "d")
    file = downloaded(page)
    assert {json.loads(line)["annotator"] for line in file.read_text().splitlines()} == {"Ada 1u"}
    fresh(page, run.folder)
    upload = page.driver.find_element("id", "file")
    page.ask("document.getElementById('file').hidden = false")
    upload.send_keys(str(file))
    page.wait("return document.getElementById('alert').textContent === '3 sentences loaded.'")
    assert text(page, "progress-text") == "3 of 12 labelled"
    assert page.ask("return document.getElementById('annotator').value") == "Ada 1u"
    other = tmp_path / "other.jsonl"
    for content, said in (
        ("{", "The file cannot be loaded: line 1 is not JSON."),
        ('{"spans": [{"sentence": "x", "label": "doubt"}]}', "it holds no label of a sentence of this page"),
        (file.read_text().replace('"doubt"', '"dubt"'), "“dubt”, which this page does not allow"),
    ):
        other.write_text(content)
        upload.send_keys(str(other))
        page.wait(f"return document.getElementById('alert').textContent.includes({json.dumps(said)})")
    assert text(page, "progress-text") == "3 of 12 labelled"


def test_several_labels_are_chosen_together_and_then_one_goes_on(page, tmp_path):
    run = drawn(tmp_path / "run", several=True)
    fresh(page, run.folder)
    keys(page, enter(), "1", "2")
    assert text(page, "place") == "Sentence 1 of 12"
    assert text(page, "next-text") == "Next"
    keys(page, "0")
    assert text(page, "place") == "Sentence 2 of 12", "nothing else goes with none"
    from selenium.webdriver.common.keys import Keys

    keys(page, "2", "1", Keys.ARROW_RIGHT, "d")
    labels = [span["label"] for line in downloaded(page).read_text().splitlines() for span in json.loads(line)["spans"]]
    assert sorted(labels) == ["doubt", "none", "work"]


def test_letters_and_digits_do_nothing_once_they_are_switched_off(page, tmp_path):
    """WCAG 2.2, 2.1.4: words that are spoken to the computer must not label sentences."""
    run = drawn(tmp_path / "run")
    fresh(page, run.folder)
    page.click("#shortcuts")
    page.click("#begin")
    keys(page, "1", "u", "n", "d")
    assert (text(page, "place"), text(page, "progress-text")) == ("Sentence 1 of 12", "0 of 12 labelled")
    page.click("[data-label=doubt]")
    assert text(page, "progress-text") == "1 of 12 labelled"


def test_a_browser_that_refuses_to_keep_labels_says_so_and_the_page_works(page, tmp_path):
    run = drawn(tmp_path / "run")
    refused = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused'); } });"
    added = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refused})
    try:
        page.open(run.folder / "label.html")
        assert "does not keep labels: download the file" in text(page, "alert")
        keys(page, enter(), "1", "d")
        assert downloaded(page).is_file()
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")], ids=["phone", "desktop"])
def test_awkward_texts_and_labels_show_as_they_are_and_nothing_is_obeyed(page, tmp_path, size, scheme):
    source = [Document(f"{number}", f"{words} So it goes.", f"g{number}") for number, words in enumerate(AWKWARD)]
    run = drawn(tmp_path / "run", source=source, sentences=100, labels=(MARKUP,), definitions={MARKUP: AWKWARD[1]})
    page.width(size)
    page.scheme(scheme)
    fresh(page, run.folder)
    keys(page, enter())
    seen = []
    for _ in run.table("sample").sentence:
        seen.append(text(page, "text"))
        keys(page, "1")
    assert any(MARKUP in shown for shown in seen)
    assert any(AWKWARD[1] in shown for shown in seen)
    assert any("👩‍👩‍👧‍👦" in shown for shown in seen), "what joins an emoji is kept"
    assert not any("\u202e" in shown or "\x1b" in shown for shown in seen)
    assert page.ask("return document.title") == "Label sentences", "a text was obeyed"
    assert page.ask("return document.getElementById('planted')") is None
    assert page.ask("return document.documentElement.scrollWidth") <= size[0]
    assert page.said() == []
    keys(page, "d")
    assert MARKUP in [
        span["label"] for line in downloaded(page).read_text().splitlines() for span in json.loads(line)["spans"]
    ]


def test_every_control_has_a_name_a_visible_focus_and_room_for_a_finger(page, tmp_path):
    run = drawn(tmp_path / "run", definitions={"doubt": "is not sure"})
    page.width(PHONE)
    fresh(page, run.folder)
    keys(page, enter())
    from selenium.webdriver.common.keys import Keys

    seen = []
    for _ in range(12):
        keys(page, Keys.TAB)
        name, outline, height, tag = page.ask(
            "const one = document.activeElement; const style = getComputedStyle(one);"
            "return [(one.getAttribute('aria-label') ?? one.textContent).trim(),"
            " style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, one.offsetHeight, one.tagName]"
        )
        if tag == "BODY":
            break
        assert name
        assert outline, name
        assert height >= 44, name
        seen.append(name.split("\n")[0])
    assert [name for name in seen if "doubt" in name]
    assert len(seen) >= 7


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_paper(page, tmp_path, scheme):
    """WCAG 2.2, 1.4.3: 4.5 : 1."""
    run = drawn(tmp_path / "run", definitions={"doubt": "is not sure"})
    page.scheme(scheme)
    fresh(page, run.folder)
    keys(page, enter(), "1")
    from selenium.webdriver.common.keys import Keys

    keys(page, Keys.ARROW_LEFT)
    contrasts = page.ask("""
      const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
      const light = (colour) => {
        const [r, g, b] = parts(colour).slice(0, 3).map((v) => v / 255)
          .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const paper = (element) => {
        for (let one = element; one; one = one.parentElement) {
          const colour = getComputedStyle(one).backgroundColor, alpha = parts(colour)[3];
          if (alpha === undefined || alpha > 0) return colour;
        }
      };
      const kinds = "h1, h2, p, mark, #before, #after, .label span, .label small, kbd, .moves button";
      const shown = [...document.querySelectorAll(kinds)];
      return shown.filter((one) => one.offsetParent && one.textContent.trim() && !one.disabled).map((one) => {
        const [high, low] = [light(getComputedStyle(one).color), light(paper(one))].sort((a, b) => b - a);
        return [one.textContent.trim().slice(0, 20), (high + 0.05) / (low + 0.05)];
      });
    """)
    assert len(contrasts) > 10
    assert not [pair for pair in contrasts if pair[1] < 4.5]
