"""What `--help` lists: the keys by which a command chooses plugins and presets, with what there is for each."""

import textwrap
from collections.abc import Mapping

from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from omegaconf import OmegaConf

from neurosieve.config.command import Command, Group, Many

__all__ = ["offer_choices"]


def offer_choices(command: Command) -> None:
    """Let `conf/hydra/help` name what a command can choose, as `${choices:}`."""
    OmegaConf.register_new_resolver("choices", lambda: _choices(command), replace=True)


def _choices(command: Command) -> str:
    """Return a paragraph for each way in which something is chosen, headed by an example."""
    one: dict[str, str] = {}
    several: dict[str, str] = {}
    inner: dict[str, str] = {}
    for key, part in command.parts.items():
        if isinstance(part, Many):
            several[key] = key
        else:
            one[key] = (getattr(part, "group", "") or key).partition("@")[0]
        if isinstance(part, Group):
            inner |= {f"{group}@{key}.{group}": group for group in part.parts}
    paragraphs = (
        _paragraph("One of each", "{key}={first}", one),
        _paragraph("One or several of each", "{key}=[{first},{last}]", several),
        _paragraph("Several keys at once", "{key}={first}", {f"+{group}": group for group in command.bundles}),
        _paragraph("Within a part, once it is chosen", "{key}={first}", inner),
    )
    return "\n\n".join(filter(None, paragraphs))


def _paragraph(title: str, example: str, groups: Mapping[str, str]) -> str:
    """Return a line for each group that has options; `groups` are by the key that chooses from them."""
    # The loader's own method copies all configs first, for each group anew: half of the time that a config takes.
    options = GlobalHydra.instance().config_loader().repository.get_group_options  # type: ignore[attr-defined]
    choices = {key: names for key, group in groups.items() if (names := sorted(options(group, ObjectType.CONFIG)))}
    if not choices:
        return ""
    key, names = next(iter(choices.items()))
    lines = [f"{key}: {', '.join(names)}" for key, names in choices.items()]
    wrapped = [
        textwrap.fill(line, 118, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
        for line in lines
    ]
    return "\n".join([f"{title}, as in {example.format(key=key, first=names[0], last=names[-1])}", *wrapped])
