"""The sections that every run has: what was asked, what was read, how to run it again."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from neurosieve import Block, Facts, Note, Run, as_table, load, number, plural
from neurosieve_plugins.reports.blocks import Code, Fold, Section

_TITLES = {
    "behaviour": "behaviour",
    "part": "part",
    "documents_with": "texts that show it",
    "groups": "groups",
}

__all__ = ["again", "listed", "named", "overrides_of", "question", "read", "request", "typed"]


def named(node: Any) -> str:
    """Return what a config node builds: `arithmetic`, where it says `source/arithmetic`."""
    if isinstance(node, Mapping):
        return str(node.get("_target_", node.get("name", "one of your own"))).rpartition("/")[2]
    return "your own" if node is None else str(node)


def listed(names: Any) -> str:
    """Return names as a sentence lists them.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *most, last = [str(name) for name in names] or ["nothing"]
    return f"{', '.join(most)} and {last}" if most else last


def question(run: Run) -> str:
    """Return what a run was to find out, in a sentence."""
    record, config = run.run, run.run.get("config", {})
    documents = record.get("counts", {}).get("documents")
    texts = plural(documents, "text") if isinstance(documents, int) else "texts"
    model = record.get("model")
    name = model.get("name", "a model") if isinstance(model, Mapping) else str(model or "a model")
    behaviours = listed(record.get("behaviours") or config.get("detectors") or ["the behaviour"])
    source = named(config.get("source"))
    if run.command == "find":
        where = _where(config.get("selection") or {}, named(config.get("control")))
        if not run.cells.fires:
            about = f" ({run.cells.about})" if run.cells.about else ""
            return (
                f"Which {run.site.neurons} of {name} stand out by their {run.cells.name} where {behaviours} "
                f"shows{about}? {texts} of the source {source} were read {where}."
            )
        return (
            f"Which {run.site.neurons} of {name} fire where {behaviours} shows? {texts} of the source {source} were "
            f"read {where}."
        )
    sentences = {
        "rescore": f"Does the ranking for {behaviours} hold on {texts} that had no part in it?",
        "show": f"What do the chosen {run.site.neurons} of {name} hold on {texts}, token by token?",
        "ablate": f"Does it matter for {behaviours} that these {run.site.neurons} of {name} fire? "
        "They were edited as it ran.",
        "analyze": f"What is in {texts} of the source {source}: right answers, cut-off thoughts, {behaviours}?",
        "detect": f"Where does {behaviours} show in {texts} of the source {source}, by its detectors alone?",
        "annotate": f"How well do {behaviours} agree with what people say of sentences of the source {source}?",
        "learn": f"Can {behaviours} be found by what annotators marked in {texts} of the source {source}?",
        "compare": f"What do these runs find of {behaviours}, and what do they agree on?",
        "generate": f"What does {name} write when it is given problems to solve?",
    }
    return sentences.get(run.command, f"A run of neurosieve {run.command}.")


def _where(selection: Mapping[str, Any], control: str) -> str:
    """Return what was read of the texts, and against what, as the end of a sentence."""
    unit, tokens = selection.get("unit", "token"), selection.get("prompt_tokens", 1)
    if unit == "token":
        return f"at {_places(selection.get('at', 'onset'))}, against {control} controls"
    if unit == "prompt_end" and tokens == 1:
        return "at the last token of each prompt, against the prompts that do not show it"
    pools = {
        "mean": "the mean over",
        "max": "the largest value in",
        "last": "the last token of",
        "first": "the first token of",
    }
    units = {
        "span": ("each span", f"stretches of the same lengths ({control} controls)"),
        "sentence": ("each sentence with a span", f"other sentences ({control} controls)"),
        "completion": ("each completion", "the completions that do not show it"),
        "prompt_end": (f"the last {tokens:,} tokens of each prompt", "the prompts that do not show it"),
    }
    what, others = units.get(unit, (unit, "others"))
    return f"as {pools.get(selection.get('pool', 'mean'), 'the pool of')} {what}, against {others}"


def _places(at: str) -> str:
    return {
        "onset": "the first token of each span",
        "prediction": "the token before each span",
        "window": "a window of tokens about each span",
        "span": "every token of each span",
        "context": "the tokens in and around each span",
    }.get(at, at)


def request(run: Run) -> Section:
    """Return the question, and the config that put it."""
    config = run.run.get("config", {})
    blocks: tuple[Block, ...] = ()
    if config:
        text = json.dumps(config, indent=2, ensure_ascii=False, default=str)
        blocks = (Fold("The whole config", (Code(text, "config"),)),)
    return Section("The question", question(run), blocks)


def read(run: Run) -> Section | None:
    """Return what went into the run: documents, positions, model, time, and what to know of them."""
    record = run.run
    lines = [
        *_counts(record.get("counts", {})),
        *_reading(record.get("reading", {})),
        *_model(record.get("model"), run.site.neurons),
    ]
    seconds = record.get("timings_seconds", {})
    if seconds:
        longest = max(seconds, key=seconds.__getitem__)
        lines.append(("time", f"{_time(sum(seconds.values()))}, most of it {longest} ({_time(seconds[longest])})"))
    if not lines:
        return None
    blocks: list[Block] = [Facts(tuple(lines)), *(Note(note) for note in record.get("notes", []))]
    by_behaviour = record.get("counts", {}).get("behaviours")
    if isinstance(by_behaviour, Mapping) and (frame := _by_part(by_behaviour)) is not None:
        if run.whole_texts:
            frame = frame.drop(columns="spans", errors="ignore")
        rows = {"present": f"{run.units} where it shows", "control": f"control {run.units}"}
        titles = (
            _TITLES | rows | {str(name): str(name).replace("_", " ") for name in frame if name not in {*_TITLES, *rows}}
        )
        caption = "What each behaviour gave"
        if "part" in frame:
            caption = "What each part of the groups gave; a group is in one part alone"
        blocks.append(as_table(frame, titles, caption))
    return Section("What was read", "What all that follows comes from.", tuple(blocks))


def _by_part(by_behaviour: Mapping[str, Any]) -> pd.DataFrame | None:
    """Return a line per behaviour and part from counts such as `ranking_present`."""
    parts = {"ranking": "ranking", "heldout": "held out"}
    lines = []
    for behaviour, counts in by_behaviour.items():
        if not isinstance(counts, Mapping):
            return None
        for part, name in parts.items():
            of_part = {
                key.removeprefix(f"{part}_"): value for key, value in counts.items() if key.startswith(f"{part}_")
            }
            if any(of_part.values()):
                lines.append({"behaviour": behaviour, "part": name, **of_part})
        if not any(key.startswith(tuple(parts)) for key in counts):
            lines.append({"behaviour": behaviour, **counts})
    return pd.DataFrame(lines) if lines else None


def _counts(counts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in counts.items():
        # What was left out and is none is no news.
        if isinstance(value, int | float) and not isinstance(value, bool) and (value or name in ("documents", "spans")):
            yield name.replace("_", " "), number(value)


def _reading(reading: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "forward_passes" not in reading:
        return
    if not reading["forward_passes"]:
        yield "forward passes", "none: all was in the store"
    else:
        yield "forward passes", f"{number(reading['forward_passes'])}, over {number(reading.get('tokens', 0))} tokens"
    if reading.get("backward_passes"):
        yield "backward passes", number(reading["backward_passes"])


def _model(model: Any, neurons: str) -> Iterator[tuple[str, str]]:
    if not isinstance(model, Mapping):
        if model:
            yield "model", str(model)
        return
    how = ", ".join(str(model[key]) for key in ("dtype", "device") if key in model)
    yield "model", f"{model.get('name', '')}{f' ({how})' if how else ''}"
    if "layers" in model and "neurons_per_layer" in model:
        yield neurons, f"{plural(len(model['layers']), 'layer')} of {number(model['neurons_per_layer'])}"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def again(run: Run) -> Section:
    """Return how to run it again, and with what it was made."""
    record = run.run
    overrides, command = overrides_of(run.folder), run.command
    blocks: list[Block] = []
    if overrides is None and (whole := _made_with(run.folder)) is not None:
        overrides, command = overrides_of(whole.folder), str(whole.command)
        blocks.append(Note("This run was made along with the one that it is in, by one command."))
    if overrides is None:
        text = "This run was made from Python: `config` in run.json, shown at the top, holds all that it was given."
        blocks.append(Note(text))
    else:
        line = " ".join(["neurosieve", command, *(shlex.quote(override) for override in overrides)])
        blocks.append(Code(line, "command", wraps=True))
    facts = [(name, str(version)) for name, version in record.get("versions", {}).items()]
    facts += [(f"hash of {name}", str(value)) for name, value in record.get("hashes", {}).items()]
    if facts:
        blocks.append(Fold("Versions and hashes", (Facts(tuple(facts)),)))
    return Section("How to run it again", "What made this run, and with which versions.", tuple(blocks))


def _made_with(folder: Path) -> Run | None:
    """Return the run in whose folder a run stands, where a command line made it; None where there is none."""
    # One that was made later stands deeper, in a folder of its command.
    above = folder.absolute().parent
    return load(above) if (above / "run.json").is_file() and overrides_of(above) is not None else None


def typed(key: str, value: object) -> str:
    """Return an override as it is typed into a shell.

    >>> print(typed("run", "runs/find"))
    run=runs/find
    >>> print(typed("run", "a b"))
    "run='a b'"
    """
    text = str(value)
    if not re.fullmatch(r"[\w./:@+-]+", text):  # Hydra would read it as something else than a text.
        text = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    override = f"{key}={text}"
    if "'" in override and not set(override) & set('"$`\\!'):
        return f'"{override}"'
    return shlex.quote(override)


def overrides_of(folder: Path) -> list[str] | None:
    """Return what was typed after the command, None where no command line made the run."""
    path = folder / ".hydra" / "overrides.yaml"
    if not path.is_file():
        return None
    overrides = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [str(override) for override in overrides] if isinstance(overrides, list) else []
