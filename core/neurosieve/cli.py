"""`neurosieve <command> ...`: from the arguments to a command. Nothing heavy is imported before it must be."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from neurosieve.errors import NeurosieveError, nearest, refusal
from neurosieve.gc_pause import without_gc
from neurosieve.terminal.streams import is_closed, leave_closed_pipe, make_printable
from neurosieve.wording import visible

__all__ = ["main"]

COMMANDS = {
    "find": "which neurons fire when the behaviour shows? (the main job)",
    "plan": "could these texts show anything, and what would it cost? (no model is read)",
    "generate": "let a model answer problems, and keep its traces",
    "analyze": "what is in traces: right, out of tokens, behaviours",
    "detect": "where do behaviours show in texts, and do annotators agree? (no model)",
    "annotate": "sentences for people to label, and what their labels say of detectors",
    "learn": "a detector trained from annotations, and what it is worth",
    "show": "what do the neurons of a run do on text?",
    "ablate": "do the neurons of a run matter? edit them, beside control neurons",
    "compare": "what do several runs agree on?",
    "plugins": "what can be chosen: sources, detectors, controls, scorers and other plugins",
    "check": "does a plugin keep its contract?",
    "cache": "what is kept of activations, traces, models and interrupted runs; clear it",
}

_WITH_A_RUN = ("analyze", "detect", "annotate", "learn", "show", "ablate")
"""The other commands that leave a run."""

_HELP = """\
neurosieve finds the MLP neurons of a language model that fire when it shows a behaviour in its text,
and tests them on texts that had no part in finding them.

usage: neurosieve <command> [arguments]

commands:
{commands}

start here:
  neurosieve find                                            the embedded texts, read with Gemma 3 270M
  neurosieve find source=traces source.path=traces.json      your own chains of thought
  neurosieve find --help                                     all that can be chosen
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. A mistake of the user ends with one message and exit code 2, a bug with one and code 1."""
    make_printable()
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        given = sys.argv[1:] if arguments is None else arguments
        print(f"neurosieve: {visible(str(interrupt)) or _interrupted(given[0] if given else '')}", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and is_closed():
            leave_closed_pipe()
        if os.environ.get("HYDRA_FULL_ERROR") == "1":  # Hydra shows tracebacks under this variable, and so do we.
            raise
        if not isinstance(error, NeurosieveError | OSError):
            from neurosieve.terminal.unexpected import unexpected

            print(f"neurosieve: {unexpected(error)}", file=sys.stderr)
            sys.exit(1)
        # An OSError that comes here is the file system's: a full disk, a folder that cannot be written.
        message = f"{refusal(error)}: choose another place" if isinstance(error, OSError) else str(error)
        print(f"neurosieve: {visible(message)}", file=sys.stderr)
        sys.exit(2)


def _interrupted(command: str) -> str:
    """Return what is left of a command whose run was interrupted before it was finished."""
    if command == "find":
        return "interrupted; what was captured is in the store, and the same command goes on from there"
    if command == "generate":
        return "interrupted; the traces that were finished are kept, and the same command goes on from there"
    if command in _WITH_A_RUN:
        kept = ", with the traces of `mode=generated` that were finished" if command == "ablate" else ""
        return f"interrupted; the run is not finished, and the same command begins it anew{kept}"
    return "interrupted"


def _run(given: Sequence[str]) -> None:
    name, rest = (given[0], given[1:]) if given else ("--help", [])
    if name in ("--help", "-h", "help"):
        print(_HELP.format(commands="\n".join(f"  {command:<10}{what}" for command, what in COMMANDS.items())))
        return
    if name == "--version":
        print(f"neurosieve {version('neurosieve')}")
        return
    # Of what it is given, Arrow's own allocator keeps more than texts take.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if name not in COMMANDS:
        raise NeurosieveError(f"there is no command `{name}`: {nearest(name, COMMANDS)}")
    with without_gc():
        command = import_module(f"neurosieve.commands.{name}")
    gc.freeze()  # What was imported stays, and need not be looked through.
    command.main(rest)
