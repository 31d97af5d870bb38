"""A detector with the phrases that were suggested for it, as a preset that any command can take."""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from neurosieve.contracts import Detector
from neurosieve.disk import atomic_write
from neurosieve.errors import StoreError
from neurosieve.registry import TARGET, describe
from neurosieve.wording import visible

__all__ = ["PRESETS", "MendedPreset", "preset_name", "write_preset"]

PRESETS = "presets"
"""The folder, in that of a run, to give as `--config-dir`."""


@dataclass(frozen=True)
class MendedPreset:
    """What goes into the preset of a mended list."""

    name: str
    """The behaviour whose detector was mended."""
    detector: Detector
    finder: Detector
    """Finds phrases: the detector itself, where it has a list."""
    suggested: tuple[str, ...]

    @property
    def mends(self) -> bool:
        """Whether the preset holds the detector's own list too; else it finds the suggested phrases alone."""
        return self.finder is self.detector

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the detector that the preset builds."""
        fields = describe(self.finder)
        own = list(fields["phrases"]) if self.mends else []
        return {**fields, "phrases": [*own, *self.suggested]}


def preset_name(behaviour: str, mends: bool = True) -> str:
    """Return what the preset is called: `backtracking_mended`; `judge_missed` where the detector has no list.

    >>> preset_name("back tracking/2")
    'back_tracking_2_mended'
    """
    return f"{re.sub(r'[^A-Za-z0-9_]+', '_', behaviour).strip('_') or 'detector'}_{'mended' if mends else 'missed'}"


def write_preset(preset: MendedPreset, label: str, folder: Path) -> Path:
    """Write a preset into a run's folder, for `--config-dir <folder>/presets detectors=[<its name>]`; return its file.

    Texts are data: none of a phrase is read as YAML, or as a reference to another key.

    Raises:
        StoreError: the folder cannot be written.
    """
    name = preset_name(preset.name, preset.mends)
    fields = preset.fields
    plugin = fields.pop(TARGET).partition("/")[2]
    header = f"# @package detectors.{name}\n# {visible(preset.name)}: "
    header += "its list, and then the phrases" if preset.mends else "the phrases"
    header += f" that were suggested for {visible(label)}.\n"
    content: dict[str, Any] = {"defaults": [{"/detector@_here_": plugin}, "_self_"], **_literal(fields)}
    text = header + OmegaConf.to_yaml(OmegaConf.create(content))
    file = folder / PRESETS / "detectors" / f"{name}.yaml"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, partial(Path.write_text, data=text, encoding="utf-8"))
    except OSError as error:
        raise StoreError(
            f"cannot write the preset `{file}` ({error.strerror or error}): make room, or choose another folder"
        ) from error
    return file


def _literal(value: Any) -> Any:
    """Return a value in which no text is read as a reference, such as `${oc.env:HOME}`."""
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_literal(item) for item in value]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if isinstance(value, str) else value
