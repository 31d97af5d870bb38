"""What the benchmarks share: rows of figures, processes of their own, the machine, and the table.

A benchmark is a file with `rows(small)`, which measures and returns rows. `small` takes sizes of seconds, to see that
it works.
"""

import argparse
import contextlib
import datetime
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = [
    "FOLDER",
    "Row",
    "alone",
    "command_line",
    "forget_peak",
    "machine",
    "markdown",
    "measured",
    "met",
    "peak_mib",
    "row",
]

FOLDER = Path(__file__).resolve().parent
_PACKAGES = ("neurosieve", "torch", "transformers", "transformer-lens", "numpy", "scipy", "scikit-learn")

Row = dict[str, Any]


def row(
    what: str,
    against: str,
    ratio: float,
    aim: float | None = None,
    note: str = "",
    at_least: bool = False,
    **figures: Any,
) -> Row:
    """Return a line of the table.

    Args:
        what: what was measured.
        against: what it is a multiple of; `seconds` where it is seconds.
        ratio: how many times that it is.
        aim: what the ratio is to be at most.
        note: sizes, and what else a reader must know.
        at_least: whether the aim is the least that the ratio is to be, instead.
        figures: the raw figures behind it, such as `seconds` and `peak_mib`.
    """
    line = {"what": what, "against": against, "ratio": float(ratio), "aim": aim, "note": note}
    return {**line, **({"at_least": True} if at_least else {}), **figures}


def met(line: Mapping[str, Any]) -> bool | None:
    """Return whether a row's aim is met; None where it has none, or was not measured."""
    if line.get("aim") is None or line["ratio"] is None:
        return None
    return bool(line["ratio"] >= line["aim"] if _more_is_better(line) else line["ratio"] <= line["aim"])


def _more_is_better(line: Mapping[str, Any]) -> bool:
    return bool(line.get("at_least")) or line.get("better") == "higher"


def peak_mib() -> float:
    """Return the most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():
        # `getrusage` begins with the peak of the process that started this one.
        [peak] = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(peak) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def forget_peak() -> None:
    """Reset the peak to the memory in use now. Where the system cannot, it stays that of the whole process."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def alone(work: str, *arguments: Any) -> Any:
    """Return what `work`, as `module:function` of this folder, returns in a process of its own."""
    code = (
        "import importlib, json, sys; sys.path.insert(0, sys.argv[1]); module, name = sys.argv[2].split(':'); "
        "done = getattr(importlib.import_module(module), name)(*json.loads(sys.argv[3])); "
        "open(sys.argv[4], 'w').write(json.dumps(done))"
    )
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        call = [sys.executable, "-c", code, str(FOLDER), work, json.dumps(arguments), str(answer)]
        # Its output goes to the terminal; its result comes back by the file.
        ended = subprocess.run(call, stdout=sys.stderr.fileno() if _has_descriptor() else None)
        if ended.returncode:
            raise RuntimeError(f"`{work}` of {arguments} ended with exit code {ended.returncode}; it says why above")
        return json.loads(answer.read_text())


def _has_descriptor() -> bool:
    try:
        sys.stderr.fileno()
    except (AttributeError, OSError):
        return False
    return True


def machine() -> dict[str, Any]:
    """Return what the figures depend on: the processor, versions, the day."""
    import torch

    cpuinfo = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if cpuinfo.exists()
        else []
    )
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES},
        "load_before": round(os.getloadavg()[0], 2),
        "date": datetime.date.today().isoformat(),
    }


def measured(name: str, small: bool) -> dict[str, Any]:
    """Return the rows of one benchmark, and what it took; to be called in a process of its own."""
    on, began = machine(), time.monotonic()
    lines: list[Row] = import_module(name).rows(small)
    peak = round(peak_mib())
    lines = [{"peak_mib": peak, **line, "met": met(line)} for line in lines]
    return {"machine": on, "seconds": round(time.monotonic() - began, 1), "peak_mib": peak, "rows": lines}


def markdown(lines: Sequence[Row]) -> str:
    """Return rows as a table."""
    shown = ["| what | against | ratio | aim | met | peak MiB | sizes |", "|---|---|---:|---:|---|---:|---|"]
    for line in lines:
        aim, kept = line.get("aim"), met(line)
        cells = (
            line["what"],
            line["against"],
            "" if line["ratio"] is None else _number(line["ratio"]),
            "" if aim is None else f"{'≥' if _more_is_better(line) else '≤'} {_number(aim)}",
            "" if kept is None else "yes" if kept else "**no**",
            f"{line['peak_mib']:,.0f}" if line.get("peak_mib") else "",
            line["note"],
        )
        shown.append("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(shown) + "\n"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 0.1 else f"{value:.2f}"


def command_line(rows: Callable[[bool], list[Row]], about: str | None) -> None:
    """Run one benchmark from the command line."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--json", type=Path, help="also write the rows there")
    given = parser.parse_args()
    lines = rows(given.smoke)
    print(markdown(lines), end="")
    if given.json:
        result = {"machine": machine(), "smoke": given.smoke, "rows": lines}
        given.json.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
