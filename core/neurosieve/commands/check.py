"""`check`: whether a plugin keeps its contract."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["main"]

_HELP = r"""
Check that an installed plugin keeps the contract of its kind, and print a verdict on each promise.

  neurosieve check auc                                    a plugin by name
  neurosieve check detector/annotations                   by kind and name, where several kinds have it
  neurosieve check regex "patterns=['\bwait']"            with some fields set, each value as YAML
  neurosieve check traces path=traces.json                a source reads all of it a dozen times: give it little

Exits with 1 where a promise is broken. `neurosieve plugins` lists the names; in a test of your own, the same is
`neurosieve.testing.check_detector(...)`, and likewise for the other kinds.
"""


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `check`; exit with 1 where the plugin breaks a promise."""
    from rich.markup import escape

    from neurosieve.errors import NeurosieveError
    from neurosieve.terminal.printing import console
    from neurosieve.testing import CHECKS

    parser = argparse.ArgumentParser(
        "neurosieve check", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="the plugin: its name, or kind/name")
    parser.add_argument("fields", nargs="*", metavar="field=value", help="what its fields are, each value as YAML")
    options = parser.parse_args(arguments)
    kind, plugin = _plugin(options.name, options.fields)
    screen = console(soft_wrap=True)
    broken = 0
    for check in CHECKS[kind]:
        promise = check.__name__.replace("_", " ")
        try:
            check(plugin)
        except NeurosieveError:
            raise
        except Exception as error:
            # A plugin can break more than its contract: whatever it raises is a verdict too.
            problem = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            screen.print(f"[bold red]broken[/]  {promise}\n        {escape(problem)}", highlight=False)
            broken += 1
        else:
            screen.print(f"[green]kept[/]    {promise}", highlight=False)
    verdict = f"breaks {broken} of" if broken else "keeps all"
    screen.print(f"the {kind} {escape(repr(plugin))} {verdict} {len(CHECKS[kind])} promises", highlight=False)
    if broken:
        sys.exit(1)


def _plugin(wanted: str, settings: Sequence[str]) -> tuple[str, Any]:
    """Return the kind of a plugin, and the plugin with some fields set."""
    from omegaconf import OmegaConf
    from yaml import YAMLError

    from neurosieve.config.configuration import as_object
    from neurosieve.errors import ConfigError, PluginError, nearest
    from neurosieve.registry import KINDS, installed

    kind, _, name = wanted.rpartition("/")
    entries = [entry for entry in installed() if entry.name == name and kind in ("", entry.kind)]
    for refused in [kind] if kind in KINDS else KINDS if not kind else ():
        if message := installed().refusal(refused, name):
            raise PluginError(message)
    if not entries:
        known = {key for entry in installed() for key in (entry.name, f"{entry.kind}/{entry.name}")}
        raise ConfigError(f"there is no plugin `{wanted}`: {nearest(wanted, known)}{installed().left_out()}")
    if len(entries) > 1:
        raise ConfigError(f"there are {' and '.join(f'`{entry.kind}/{entry.name}`' for entry in entries)}: say which")
    [entry] = entries
    if without_sign := [setting for setting in settings if "=" not in setting]:
        raise ConfigError(f"`{without_sign[0]}` sets no field: write `field=value`")
    try:
        values = OmegaConf.from_dotlist(list(settings))
    except YAMLError as error:
        raise ConfigError(f"a value is not YAML: {' '.join(str(error).split())}") from error
    for field in dataclasses.fields(entry.cls):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in values:
            raise ConfigError(f"`{wanted}` has no default for `{field.name}`: add `{field.name}=<value>`")
    return entry.kind, as_object(entry.cls, values, entry.name)
