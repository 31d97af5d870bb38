"""Draw the README's picture: what a run prints, as SVG.

python benchmarks/picture.py <run folder> docs/find.svg
"""

import io
import sys
from pathlib import Path

from rich.console import Console

import neurosieve
from neurosieve.terminal import show_result


def main() -> None:
    run, picture = Path(sys.argv[1]), Path(sys.argv[2])
    out = Console(record=True, width=118, highlight=False, file=io.StringIO())
    show_result(neurosieve.load(run), out=out)
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(out.export_svg(title="neurosieve find"))


if __name__ == "__main__":
    main()
