"""Figures on paper: the charts of the page, laid out at a fixed width."""

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from neurosieve_plugins.reports.blocks import Figure, Grid, Heatmap
from neurosieve_plugins.reports.theme import WIDTH, theme
from neurosieve_plugins.reports.vega_lite import VEGA_LITE, specification

__all__ = ["on_paper", "picture"]

_COLUMNS = 2
_CHARACTERS = 28
"""Longer texts are cut."""
_TITLE = 42
"""How many characters a line of a chart's title has."""


def on_paper(figure: Figure | Grid | Heatmap) -> dict[str, Any]:
    """Return a figure as one Vega-Lite specification with a width."""
    import altair as alt

    if isinstance(figure, Figure):
        chart = figure.chart.properties(width=WIDTH)
    elif isinstance(figure, Heatmap):
        title = f"{figure.data['neurons'][0]} on {figure.data['texts'][0]['id']}"
        chart = figure.bars.properties(width=WIDTH, title=wrap(title, 2 * _TITLE))
    else:
        width = (WIDTH - 120) // _COLUMNS
        charts = [chart.properties(width=width, title=wrap(title, _TITLE)) for title, chart in figure.charts]
        chart = alt.concat(*charts, columns=_COLUMNS)
    made = specification(chart)
    texts = dict.fromkeys(_texts([*made.get("datasets", {}).values(), made.get("data", {}).get("values", [])]))
    long = [text for text in texts if len(text) > _CHARACTERS]
    # Numbered, so that those that begin alike stay apart.
    short = {text: f"{text[: _CHARACTERS - 4]}… ({number})" for number, text in enumerate(long, 1)}
    cut: dict[str, Any] = _replaced(made, short)
    return cut


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _replaced(value: Any, by: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(one, by) for key, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, by) for one in value]
    return by.get(value, value) if isinstance(value, str) else value


def _uncut(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config under which Vega cuts no text: it would do so through the middle of an emoji, and then fail."""
    style = {name: {**one, "limit": 0} for name, one in config["style"].items()}
    no_limit = {name: {**config[name], "labelLimit": 0} for name in ("axis", "legend")}
    return {**config, **no_limit, "style": style}


def picture(made: dict[str, Any], ending: str, dots_per_inch: int) -> bytes:
    """Return a specification drawn as PNG or SVG."""
    import vl_convert

    config = _uncut(theme())
    if ending == "svg":
        drawn: str = vl_convert.vegalite_to_svg(made, vl_version=VEGA_LITE, config=config)
        return drawn.encode()
    png: bytes = vl_convert.vegalite_to_png(made, vl_version=VEGA_LITE, config=config, ppi=dots_per_inch)
    return png
