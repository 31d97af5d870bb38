"""Figures for papers: a PNG and an SVG of every chart."""

import struct
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from neurosieve import ConfigError, Run
from neurosieve.testing.awkward import MARKUP
from neurosieve_plugins.reports.figures import Figures

pytestmark = pytest.mark.slow  # Each draws many pictures.


@pytest.fixture(scope="module")
def files(runs: dict[str, Run]) -> list[Path]:
    return list(Figures(dots_per_inch=96).write(runs["find"].folder))


def test_every_chart_of_the_page_is_there_as_png_and_as_svg(files: list[Path], runs: dict[str, Run]) -> None:
    names = {file.stem for file in files}
    assert {"neurons", "distributions", "replication", "phrases", "tokens", "promoted"} <= names
    assert {"effects-teacher_forced", "effects-generated", "dose-generated-k"} <= names
    assert {file.parent for file in files} == {runs["find"].folder / "figures"}
    assert sorted(file.name for file in files) == sorted(f"{name}.{end}" for name in names for end in ("png", "svg"))


def test_a_png_is_one_of_the_size_that_was_asked_for(files: list[Path]) -> None:
    for file in files:
        if file.suffix == ".png":
            content = file.read_bytes()
            assert content.startswith(b"\x89PNG\r\n\x1a\n")
            width, height = struct.unpack(">II", content[16:24])
            assert 400 < width < 1400, file.name
            assert 60 < height < 2400, file.name


def test_an_svg_is_one_and_holds_texts_as_texts(files: list[Path]) -> None:
    said = ""
    for file in files:
        if file.suffix == ".svg":
            tree = ElementTree.parse(file)
            tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
            assert not tags & {"script", "image", "foreignObject"}, file.name
            said += "".join(tree.getroot().itertext())
    assert MARKUP[:20] in said


def test_figures_that_nobody_can_draw_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"formats is \['pdf'\]: take png, svg or both"):
        Figures(formats=("pdf",))
    with pytest.raises(ConfigError, match="dots_per_inch is 0"):
        Figures(dots_per_inch=0)
