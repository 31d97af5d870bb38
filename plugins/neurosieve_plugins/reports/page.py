"""A run's sections as one HTML file that needs no network and obeys nobody's text."""

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup, escape

from neurosieve import Run
from neurosieve_plugins.reports.any_sections import listed
from neurosieve_plugins.reports.blocks import Section
from neurosieve_plugins.reports.sections import cautions
from neurosieve_plugins.reports.text import plain
from neurosieve_plugins.reports.theme import theme
from neurosieve_plugins.reports.vega_lite import columns, javascript, specification

__all__ = ["page"]


class _Data:
    """What the page's script reads: pieces of JSON, each under an id of its own."""

    def __init__(self) -> None:
        self.pieces: dict[str, Markup] = {}

    def add(self, data: Any, name: str = "") -> str:
        """Keep some data, and return its id."""
        id_ = name or f"data-{len(self.pieces)}"
        self.pieces[id_] = _json(data)
        return id_

    def chart(self, chart: Any) -> str:
        """Keep a chart, and return its id."""
        return self.add(columns(specification(chart)))


def _json(data: Any) -> Markup:
    """Return data as JSON that ends no script and starts no comment, whatever its texts hold."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, default=str)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # Escaped just now, for where it goes.


def _coded(text: str) -> Markup:
    """Return a sentence with what stands between backticks as code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # One of them is no pair's.
        return escape(_shown(text))
    marked = [Markup("<code>{}</code>").format(_shown(piece)) if at % 2 else piece for at, piece in enumerate(pieces)]
    return Markup("").join(piece if isinstance(piece, Markup) else escape(_shown(piece)) for piece in marked)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("neurosieve_plugins.reports", "template"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        # Characters that nobody sees, or that turn the writing around, have no business in a page either.
        finalize=lambda value: value if isinstance(value, Markup) else _shown(value),
    )
    environment.filters["coded"] = _coded
    return environment


def _shown(value: Any) -> Any:
    return "\n".join(plain(line) for line in value.split("\n")) if isinstance(value, str) else value


def page(run: Run, sections: Sequence[Section]) -> str:
    """Return the page of a run."""
    environment = _environment()
    record = run.run
    data = _Data()
    data.add({"light": theme(), "dark": theme(dark=True)}, "themes")
    scripts = [_script(javascript()), _script(_source("page.js"))]
    behaviours = record.get("behaviours") or []
    return environment.get_template("page.html.jinja").render(
        run=run,
        title=" · ".join(["neurosieve " + run.command, *([listed(behaviours)] if behaviours else [])]),
        warnings=cautions(run),
        sections=sections,
        data=data,
        style=Markup(_source("page.css")),  # Ours.
        scripts=scripts,
        hashes=[f"'sha256-{_hash(script)}'" for script in scripts],
    )


def _source(name: str) -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


def _script(text: str) -> Markup:
    # In a string or a pattern, the only places where these can stand, the backslash changes nothing.
    text = text.replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return Markup(text)  # Vega's or ours.


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
