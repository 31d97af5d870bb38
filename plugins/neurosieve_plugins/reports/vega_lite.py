"""Charts as Vega-Lite, for a page and for paper."""

from collections.abc import Mapping
from functools import cache
from typing import Any

__all__ = ["VEGA_LITE", "columns", "javascript", "specification"]

VEGA_LITE = "6.4"
"""The version of Vega-Lite that charts are written for, and that draws them here and in a page."""


def specification(chart: Any) -> dict[str, Any]:
    """Return a chart as a Vega-Lite specification, whatever the number of its points."""
    import altair as alt

    with alt.data_transformers.enable("default", max_rows=None):
        # Ours are sound, as every chart's own test in a browser shows; to validate them takes as long as all the rest.
        made: dict[str, Any] = chart.to_dict(validate=False)
    del made["config"]  # Altair's: charts take their looks from the theme.
    return made


def columns(made: Mapping[str, Any]) -> dict[str, Any]:
    """Return a specification whose datasets are columns in place of lines, which name each field but once."""
    datasets = {name: _columns(lines) for name, lines in made.get("datasets", {}).items()}
    return {**made, "datasets": datasets}


def _columns(lines: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [line[name] for line in lines] for name in lines[0]} if lines else {}


@cache
def javascript() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that needs no network."""
    import vl_convert

    convert: Any = vl_convert  # Its stubs ask for a snippet, which it needs not.
    bundle: str = convert.javascript_bundle(vl_version=VEGA_LITE)
    return bundle
