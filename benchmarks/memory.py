"""The peak memory of `find` over some documents, and over ten times as many; each in a process of its own.

    python benchmarks/memory.py [--smoke] [--json PATH]

Documents are the short embedded solutions, scored by a statistic that streams.
"""

import contextlib
import json
import sys
import tempfile
from pathlib import Path

from figures import Row, alone, command_line, peak_mib, row


def peak_of_find(preset: str, documents: int, store: str | None) -> tuple[float, int]:
    """Return the peak of `find`, in MiB, and the tokens that it read; to be called in a process of its own."""
    import neurosieve.cli

    with tempfile.TemporaryDirectory() as folder:
        arguments = (f"model={preset}", f"source.documents={documents}", "scorers=[cohens_d]", "tokens_per_batch=2048")
        places = (f"store={store or folder + '/store'}", f"hydra.run.dir={folder}/run", "reports=[]")
        with contextlib.redirect_stdout(sys.stderr):
            neurosieve.cli.main(["find", *arguments, *places])
        record = json.loads((Path(folder) / "run" / "run.json").read_text())
        return peak_mib(), record["reading"]["tokens"]


def tenfold(preset: str, documents: int, store: str | None) -> Row:
    few, _ = alone("memory:peak_of_find", preset, documents, store)
    many, tokens = alone("memory:peak_of_find", preset, 10 * documents, store)
    return row(
        f"peak memory of `find{' store=none' if store else ''}` over {10 * documents:,} texts",
        f"over {documents:,} texts",
        many / few,
        1.1,
        f"{preset}, {tokens:,} tokens; {few:,.0f} MiB, and {many:,.0f}",
        peak_mib=round(many),
        peak_mib_against=round(few),
    )


def rows(small: bool) -> list[Row]:
    if small:
        return [tenfold("tiny", 10, "none")]
    return [
        tenfold("gemma-3-270m", 60, None),
        tenfold("gemma-3-270m", 60, "none"),
        tenfold("tiny", 1_000, None),
        tenfold("tiny", 1_000, "none"),
    ]


if __name__ == "__main__":
    command_line(rows, __doc__)
