"""Sentences to label as one HTML file, which needs no network and obeys nobody's text."""

import base64
import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from neurosieve.detection.annotation.settings import NONE, UNSURE, LabelSet

__all__ = ["label_page", "with_signs"]

_KEPT = {"\n", "\t", "\u200c", "\u200d"}
"""Control and format characters that texts need: line breaks, and the joiners of many scripts and of emoji."""


def label_page(items: Sequence[Mapping[str, Any]], label_set: LabelSet, name: str) -> str:
    """Return the page of a sample.

    Args:
        items: what is shown of each sentence: `sentence, document, start, end, before, text, after`.
        name: tells the sample from any other.
    """
    options = [(label, label_set.definitions.get(label, "")) for label in label_set.labels]
    shown = [
        {key: with_signs(value) if key in ("before", "text", "after") else value for key, value in item.items()}
        for item in items
    ]
    data = {"sample": name, "labels": label_set.labels, "several": label_set.several, "sentences": shown}
    style, script = _source("label.css"), _source("label.js")
    return (
        _environment()
        .get_template("label.html.jinja")
        .render(
            options=options,
            several=label_set.several,
            defined=any(label_set.definitions.values()),
            number=len(items),
            no_label=NONE,
            unsure=UNSURE,
            data=_json(data),
            style=Markup(style),  # Ours.
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )


def with_signs(text: str) -> str:
    """Return a text with a sign for each character that nobody sees, or that turns the writing around."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        character if character in _KEPT or unicodedata.category(character) not in ("Cc", "Cf", "Cs") else "\ufffd"
        for character in text
    )


def _json(data: Any) -> Markup:
    """Return data as JSON that ends no script and starts no comment, whatever its texts hold."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # Escaped just now, for where it goes.


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("neurosieve.detection.annotation", "template"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _source(name: str) -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0].replace("\r\n", "\n")


def _hash(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
