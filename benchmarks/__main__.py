"""Measure, and write one table of every figure: `make bench`, or `python benchmarks [NAME ...]`.

Each benchmark runs in a process of its own, so that memory is measured separately. Rows of benchmarks that are
not named are kept.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from figures import FOLDER, alone, markdown

DOCS = FOLDER.parent / "docs" / "benchmarks"


def benchmarks() -> list[str]:
    """Return the names of all benchmarks: the files here that have rows."""
    return sorted(file.stem for file in FOLDER.glob("*.py") if "\ndef rows(" in file.read_text())


def table(results: dict[str, Any]) -> str:
    """Return all benchmarks as a page."""
    parts = [
        "# Benchmarks\n\nMeasured by `make bench`, side by side on one machine: each ratio is of two times, or two "
        "amounts of memory, taken one right after the other. `python benchmarks NAME` measures one again. Peak memory "
        "is that of the row's own process where it has one, and else of its benchmark's.\n"
    ]
    for name, result in results.items():
        machine, versions = result["machine"], result["machine"]["versions"]
        where = [machine["processor"], f"{machine['cores']} cores", f"{machine['memory_gib']} GiB", machine["gpu"]]
        packages = ", ".join(f"{package} {number}" for package, number in versions.items())
        parts.append(
            f"## {name}\n\n{markdown(result['rows'])}\n<sub>{machine['date']}, {', '.join(filter(None, where))}, "
            f"{machine['threads']} threads, load {machine['load_before']} before, {result['seconds']:,.0f} s; "
            f"Python {machine['python']}, {packages}</sub>\n"
        )
    return "\n".join(parts)


def main() -> None:
    names = benchmarks()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all by default: {', '.join(names)}")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that they work; not kept by default")
    parser.add_argument("--output", type=Path, help="<output>.json and <output>.md are written; docs/benchmarks")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(names)):
        parser.error(f"there is no benchmark `{unknown[0]}`: take {', '.join(names)}")
    with tempfile.TemporaryDirectory() as nowhere:
        output = given.output or (Path(nowhere) / "smoke" if given.smoke else DOCS)
        file = output.with_suffix(".json")
        results = json.loads(file.read_text()) if file.exists() else {}
        failed = []
        for name in given.names or names:
            print(f"{name} ...", file=sys.stderr, flush=True)
            try:
                results[name] = alone("figures:measured", name, given.smoke)
            except RuntimeError as error:  # The other benchmarks still run, and their rows are kept.
                failed.append(str(error))
                continue
            print(markdown(results[name]["rows"]), flush=True)
            file.parent.mkdir(parents=True, exist_ok=True)
            results = {known: results[known] for known in sorted(results)}
            file.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")
            output.with_suffix(".md").write_text(table(results))
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
