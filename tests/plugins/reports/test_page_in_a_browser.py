"""The page as a reader has it: in a browser, on a desktop and on a phone, by light and in the dark."""

from pathlib import Path

import pytest
from browsing import DESKTOP, PHONE, Page

from neurosieve import Run
from neurosieve.testing.awkward import AWKWARD, MARKUP

pytestmark = pytest.mark.browser

EVERY = [
    "find",
    "bare find",
    "find/show/1",
    "find/rescore",
    "find/ablate/1",
    "find/ablate/2",
    "analyze",
    "detect",
    "annotate",
    "annotate read",
    "generate",
]
EVERY += ["find/beside", "compare", "unheard of", "empty/analyze", "empty/detect", "empty/show"]


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    # A phone is where there is least room: on a desktop the pages with the most on them are enough.
    [(name, PHONE, "dark") for name in EVERY] + [(name, DESKTOP, "light") for name in ("find", "analyze", "detect")],
    ids=[*(f"phone-{name}" for name in EVERY), "desktop-find", "desktop-analyze", "desktop-detect"],
)
def test_a_page_draws_its_charts_without_an_error_a_request_or_a_word_obeyed(
    page: Page, pages: dict[str, Path], name: str, size: tuple[int, int], scheme: str
) -> None:
    page.width(size)
    page.scheme(scheme)
    page.open(pages[name])
    page.ask("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.said() == []
    assert page.requested() == [pages[name].as_uri()]
    boxes = page.ask(
        "return [...document.querySelectorAll('.chart')].map((box) => box.querySelectorAll('svg, canvas').length)"
    )
    assert all(count == 1 for count in boxes), boxes
    assert page.ask("return document.title").startswith("neurosieve "), "a text was obeyed"
    assert page.ask("return document.getElementById('planted')") is None
    # Nothing to scroll sideways to but inside boxes of their own.
    assert page.ask("return document.documentElement.scrollWidth") <= size[0]


def test_markup_shows_as_text_on_the_page_in_tables_in_charts_and_in_tooltips(
    page: Page, pages: dict[str, Path]
) -> None:
    page.open(pages["find"])
    assert MARKUP in page.ask("return document.querySelector('h1').textContent")
    assert MARKUP in page.ask("return [...document.querySelectorAll('td')].map((cell) => cell.textContent).join(' ')")
    labels = page.ask("return [...document.querySelectorAll('.chart svg text')].map((text) => text.textContent)")
    assert any(label.startswith(MARKUP[:12]) for label in labels)
    page.point(".chart svg .mark-rect path")
    page.wait("return document.querySelector('#vg-tooltip-element.visible') !== null")
    assert MARKUP in page.ask("return document.querySelector('#vg-tooltip-element').textContent")
    assert page.ask("return document.getElementById('planted')") is None
    assert page.said() == []


RANKING = "[...document.querySelectorAll('table')].find((one) => one.tHead.textContent.includes('replicates'))"


def ranks(page: Page) -> list[str]:
    return page.ask(f"return [...{RANKING}.tBodies[0].rows].map((row) => row.cells[0].textContent)")


def choose(page: Page, heading: str) -> str:
    """Press the heading of a column of the ranking, as with the keyboard, and return how it is sorted then."""
    return page.ask(
        f"const button = [...{RANKING}.querySelectorAll('th button')].find((one) => one.textContent === arguments[0]);"
        "button.focus(); document.activeElement.click(); return button.closest('th').getAttribute('aria-sort')",
        heading,
    )


def test_the_ranking_is_sorted_by_the_column_that_is_chosen(
    page: Page, pages: dict[str, Path], runs: dict[str, Run]
) -> None:
    page.open(pages["find"])
    neurons = runs["find"].table("neurons")
    neurons = neurons[neurons.behaviour == "backtracking"].head(100)
    assert ranks(page) == neurons["rank"].astype(str).tolist()
    assert choose(page, "auc") == "ascending"
    rising = neurons.sort_values("auc", kind="stable")
    assert ranks(page) == rising["rank"].astype(str).tolist()
    assert choose(page, "auc") == "descending"
    falling = neurons.sort_values("auc", ascending=False, kind="stable")
    assert ranks(page) == falling["rank"].astype(str).tolist()
    # By number, and not by letters: 9 before 10; ties stay as they stood.
    choose(page, "neuron")
    assert ranks(page) == falling.sort_values("neuron", kind="stable")["rank"].astype(str).tolist()
    # What is not known is last, whichever way.
    choose(page, "95 % interval")
    choose(page, "95 % interval")
    assert set(ranks(page)[:10]) == {str(one) for one in range(1, 11)}


def test_a_neuron_and_a_text_can_be_chosen_and_every_token_says_its_value(
    page: Page, pages: dict[str, Path], runs: dict[str, Run]
) -> None:
    page.open(pages["find/show/1"])
    tokens = runs["find/show/1"].table("tokens")
    choices = "return [...document.querySelector(`[data-chooses=${arguments[0]}]`).options].map((one) => one.text)"
    assert page.ask(choices, "neuron") == ["L0N3", "L2N17"]
    assert page.ask(choices, "text") == ["d0", AWKWARD[1], "d2"]
    shown = "return document.querySelector('.heatmap .text').textContent"
    assert page.ask(shown) == MARKUP
    before = page.ask("return document.querySelector('.heatmap .text').innerHTML")
    page.ask(
        "for (const [name, value] of [['neuron', '1'], ['text', '1']]) {"
        "const list = document.querySelector(`[data-chooses=${name}]`);"
        "list.value = value; list.dispatchEvent(new Event('change', { bubbles: true })); }"
    )
    assert page.ask(shown) == "one⏎\n⇥two␍⏎three␀␛[31m"
    assert page.ask("return document.querySelector('.heatmap .text').innerHTML") != before
    page.ask(
        "const text = document.querySelector('.heatmap .text'); text.focus();"
        "for (let at = 0; at < 3; at += 1)"
        "text.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }))"
    )
    held = tokens[(tokens.document == AWKWARD[1]) & (tokens.layer == 2) & (tokens.token == 9)].activation.iloc[0]
    said = page.ask("return document.querySelector('.readout').textContent")
    assert said.startswith("L2N17 at token 9")
    assert f"{held:.3g}".replace("-", "−") in said
    assert said.endswith("in a span of backtracking")
    marked = page.ask("return [...document.querySelectorAll('.heatmap .text .marked')].length")
    assert marked == 2
    bars = "return [...document.querySelectorAll('.heatmap .chart svg .mark-rule')].length"
    assert page.ask(bars) > 0
    assert page.said() == []


MARKS = """
return [...document.querySelectorAll('.chart svg .mark-symbol path')]
  .filter((one) => one.__data__.datum?.real_verdict)
  .map((one) => { one.dataset.mark = `${one.__data__.datum.what} ${one.__data__.datum.real_verdict}`;
    return [one.dataset.mark, one.getBoundingClientRect().top, one.getAttribute('fill')]; })
"""


def test_neurons_that_were_edited_alone_are_drawn_where_they_were_foretold_and_where_they_are(
    page: Page, pages: dict[str, Path]
) -> None:
    page.open(pages["find"])
    assert page.ask("return document.querySelector('main section h2').textContent").endswith("in one picture")
    page.ask("for (const one of document.querySelectorAll('details')) one.open = true")
    marks = {mark: (top, fill) for mark, top, fill in page.ask(MARKS)}
    verdicts = ("opposes", "general", "reads out only", "not settled")
    assert {f"{what} {verdict}" for what in ("foretold", "real") for verdict in verdicts} == set(marks)
    assert len({fill for _, fill in marks.values()}) == len(verdicts), "a colour for each verdict"
    for verdict in verdicts:
        assert marks[f"real {verdict}"][1] == marks[f"foretold {verdict}"][1]
    assert marks["real opposes"][0] < marks["real reads out only"][0] < marks["real general"][0]
    page.point("[data-mark='real general']")
    page.wait("return document.querySelector('#vg-tooltip-element.visible') !== null")
    told = page.ask("return document.querySelector('#vg-tooltip-element').innerText.replace(/\\s+/g, ' ')")
    for words in (
        "real effect (nats) −0.5",
        "from −0.6",
        "to −0.4",
        "on other tokens (nats) −0.5",
        "edited alone general",
    ):
        assert words in told
    assert page.said() == []


def test_a_click_on_a_neuron_leads_to_its_part_of_the_page(page: Page, pages: dict[str, Path]) -> None:
    page.open(pages["find"])
    page.ask("for (const one of document.querySelector('main section').querySelectorAll('details')) one.open = true")
    page.ask(MARKS)
    general = "[data-mark='real general']"
    page.click(general)
    row = "document.activeElement.closest('tr')"
    assert page.ask(f"return {row} === document.activeElement && {row}.cells[0].innerText") == "L0N2"
    assert page.ask(f"return document.querySelector(`{general}`).closest('.chart').style.cursor") == "pointer"
    page.open(pages["find"])
    page.ask("for (const one of document.querySelector('main section').querySelectorAll('details')) one.open = true")
    page.ask(MARKS)
    page.ask("for (const one of document.querySelectorAll('details[data-neuron]')) one.open = false")
    page.click("[data-mark='real reads out only']")
    part = "document.querySelector('details[data-neuron=L0N3]')"
    assert page.ask(f"return {part}.open && document.activeElement === {part}")
    assert page.said() == []


def test_the_sign_and_the_size_of_an_activation_are_seen(
    page: Page, pages: dict[str, Path], runs: dict[str, Run]
) -> None:
    page.open(pages["find/show/1"])
    tokens = runs["find/show/1"].table("tokens")
    held = tokens[(tokens.document == "d0") & (tokens.layer == 0)].activation.tolist()
    styles = page.ask(
        "return [...document.querySelectorAll('.heatmap .text span')].map((one) => one.style.backgroundColor)"
    )
    for activation, style in zip(held, styles, strict=True):
        if activation == activation and abs(activation) > 0.1:
            assert ("--hot" if activation > 0 else "--cold") in style


def test_the_page_and_its_charts_are_dark_where_the_reader_has_it_dark_and_change_with_it(
    page: Page, pages: dict[str, Path]
) -> None:
    colours = (
        "return [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,"
        "document.querySelector('.chart svg').style.backgroundColor,"
        "getComputedStyle(document.querySelector('.chart svg text')).fill]"
    )
    page.open(pages["analyze"])
    light = page.ask(colours)
    page.scheme("dark")
    page.wait("return document.documentElement.dataset.drawn === 'dark'")
    dark = page.ask(colours)
    assert all(one != other for one, other in zip(light, dark, strict=True)), (light, dark)
    page.scheme("light")
    page.wait("return document.documentElement.dataset.drawn === 'light'")
    assert page.ask(colours) == light
    assert page.said() == []


CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([red, green, blue]) => [red, green, blue].map((one) => one / 255)
  .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
  .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
const paper = (one) => { for (; one; one = one.parentElement) {
  const colour = parse(getComputedStyle(one).backgroundColor);
  if (colour.length < 4 || colour[3] > 0.99) return colour; } return [255, 255, 255]; };
const texts = 'p, li, td, th, dt, dd, h1, h2, a, figcaption, summary, button, code, .context span';
return [...document.querySelectorAll(texts)]
  .filter((one) => one.textContent.trim() && one.getClientRects().length)
  .map((one) => { const pair = [light(parse(getComputedStyle(one).color)), light(paper(one))].sort((a, b) => b - a);
    return [(pair[0] + 0.05) / (pair[1] + 0.05), one.tagName + ' ' + one.className]; })
  .sort((a, b) => a[0] - b[0])[0];
"""


def test_every_text_stands_out_from_its_paper(page: Page, pages: dict[str, Path]) -> None:
    page.open(pages["find"])
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        least, where = page.ask(CONTRAST)
        assert least >= 4.5, (scheme, where)  # What WCAG 2 asks for, level AA.


def test_charts_fit_their_page_again_as_it_is_turned(page: Page, pages: dict[str, Path]) -> None:
    widest = (
        "return Math.max(...[...document.querySelectorAll('.chart')].filter((box) => box.checkVisibility())"
        ".map((box) => box.firstElementChild.getBoundingClientRect().width - box.clientWidth))"
    )
    page.open(pages["bare find"])
    assert page.ask(widest) <= 1
    page.width(PHONE)
    page.wait(widest.replace("return", "return 1 >="))
    page.ask("for (const one of document.querySelectorAll('details')) one.open = true")
    page.wait(widest.replace("return", "return 1 >="))
    assert page.ask("return document.documentElement.scrollWidth") <= PHONE[0]


def test_the_chart_of_every_neuron_can_be_zoomed_by_button_and_shown_whole_again(
    page: Page, pages: dict[str, Path]
) -> None:
    labels = (
        "[...document.querySelector('[data-zooms]').parentElement.querySelectorAll('.role-axis-label text')]"
        ".map((one) => one.textContent).sort().join(' ')"
    )
    page.open(pages["bare find"])
    whole = page.ask(f"return {labels}")
    page.ask("document.querySelector('[data-factor=\"0.6\"]').click()")
    page.wait(f"return {labels} !== '{whole}'")
    page.ask("document.querySelector('[data-factor=\"0\"]').click()")
    page.wait(f"return {labels} === '{whole}'")
    assert page.said() == []


def test_everything_that_can_be_used_is_reached_by_the_keyboard_and_has_a_name(
    page: Page, pages: dict[str, Path]
) -> None:
    page.open(pages["find"])
    unnamed = page.ask(
        "return [...document.querySelectorAll('a, button, select, summary, [tabindex]')]"
        ".filter((one) => one.tabIndex < 0 || !(one.getAttribute('aria-label') || one.textContent.trim()"
        " || one.labels?.length)).map((one) => one.outerHTML.slice(0, 80))"
    )
    assert unnamed == []
    # What scrolls by itself is reached, too.
    stuck = page.ask("return [...document.querySelectorAll('.box, .text')].filter((one) => one.tabIndex !== 0).length")
    assert stuck == 0


def test_folds_are_open_on_paper_and_folded_again_after(page: Page, pages: dict[str, Path]) -> None:
    page.open(pages["bare find"])
    folded = "return document.querySelectorAll('details:not([open])').length"
    before = page.ask(folded)
    assert before > 0
    page.ask("dispatchEvent(new Event('beforeprint'))")
    assert page.ask(folded) == 0
    page.ask("dispatchEvent(new Event('afterprint'))")
    assert page.ask(folded) == before
