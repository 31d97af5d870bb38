"""`cache`: what is kept of captured activations, finished traces, answers of judges, readings and converted models."""

import argparse
import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from neurosieve.disk import cache_folder

__all__ = ["main"]

_HELP = """\
Show what is kept: captured activations and finished traces, each with its model; the answers of judges; readings, which
are what detectors that read a model got from it (log-probabilities of tokens, classifications of sentences); converted
models; and passes, which are what interrupted runs with `store=none` have read so far.

  neurosieve cache                       a line for each, with its size
  neurosieve cache --clear <address>     remove one, by its address in that table
  neurosieve cache --clear captures      remove all captured activations (the rest stays)
  neurosieve cache --clear traces        remove all finished traces
  neurosieve cache --clear answers       remove all answers of judges: they are asked, and paid for, again
  neurosieve cache --clear passes        remove all passes; such runs begin anew
  neurosieve cache --clear readings      remove all readings; their models read the texts again
  neurosieve cache --clear models        remove all converted models
  neurosieve cache --clear all           remove everything
"""


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `cache`."""
    from rich.table import Table

    from neurosieve.errors import ConfigError, nearest
    from neurosieve.models.kept_arrays import ABOUT, SHELF
    from neurosieve.pipeline.checkpoint import documents_so_far
    from neurosieve.terminal.printing import console
    from neurosieve.wording import plural

    parser = argparse.ArgumentParser(
        "neurosieve cache", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, help="the folder that `store=<folder>` named (default: the user's cache)")
    parser.add_argument("--clear", metavar="WHAT", help="an address, `captures`, `traces`, `answers`, ... or `all`")
    options = parser.parse_args(arguments)
    captures = sorted(path.parent for path in (options.store or cache_folder() / "captures").glob("*/space.json"))
    traces = sorted(path.parent for path in (options.store or cache_folder() / "traces").glob("*/traces.json"))
    folders = {"captures": captures, "traces": traces}
    about = {"captures": "space.json", "traces": "traces.json", "answers": "answers.json", "readings": ABOUT}
    if not options.store:
        for kind in ("answers", "models", "passes"):
            folders[kind] = sorted(path for path in (cache_folder() / kind).glob("*") if path.is_dir())
        folders["readings"] = sorted(path.parent for path in (cache_folder() / SHELF).glob(f"*/{ABOUT}"))
    everything = [path for paths in folders.values() for path in paths]
    if options.clear:
        known = {path.name: [path] for path in everything}
        known |= {**folders, "all": everything}
        if options.clear not in known:
            raise ConfigError(f"nothing is kept as `{options.clear}`: {nearest(options.clear, known)}")
        freed = sum(map(_size, known[options.clear]))
        for path in known[options.clear]:
            shutil.rmtree(path)
        console().print(f"removed {plural(len(known[options.clear]), 'folder')}, {freed / 2**20:,.1f} MiB")
        return
    table = Table("kind", "address", "of", "layers", "dtype")
    table.add_column("MiB", justify="right")
    for kind, paths in folders.items():
        for path in paths:
            description = _description(path / about[kind]) if kind in about else ("", "", "")
            if kind == "passes":
                description = (f"{plural(documents_so_far(path), 'document')} so far", "", "")
            table.add_row(kind, path.name, *description, f"{_size(path) / 2**20:,.1f}")
    console().print(table)
    total = sum(map(_size, everything))
    console().print(f"{total / 2**20:,.1f} MiB in {options.store or cache_folder()}", soft_wrap=True)


def _description(about: Path) -> tuple[str, str, str]:
    """Return the model, the layers and the dtype of what a folder says it holds."""
    try:
        contents = json.loads(about.read_text())
        if "base_url" in contents:  # A judge's.
            return f"{contents['model']} at {contents['base_url']}", "", ""
        layers = str(len(contents["layers"])) if "layers" in contents else ""
        return str(contents["model"]), layers, str(contents["dtype"])
    except (OSError, ValueError, LookupError, TypeError):
        return "(it does not say: another version's, or damaged)", "", ""


def _size(folder: Path) -> int:
    size = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # A run that writes beside this renames what it has written.
            size += file.stat().st_size if file.is_file() else 0
    return size
