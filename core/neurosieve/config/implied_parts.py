"""What a plugin chooses for another part of a config, where a sweep or a preset chose the plugin."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from neurosieve.config.composition import outside_the_job
from neurosieve.registry import TARGET, describe, installed

__all__ = ["with_implied_parts"]


def with_implied_parts(config: Any, parts: Mapping[str, Any], compose: Callable[[Sequence[str]], Any]) -> Any:
    """Return a job's config with what its plugins imply, as the scorers of a reading.

    What an argument, or a preset, has chosen for a part stands: it is chosen where the config holds anything else than
    `compose` gives without arguments. Outside of a job of Hydra's, arguments alone choose, and nothing is to be done.
    """
    if not HydraConfig.initialized():
        return config
    # As typed: a reference in one of them is one from where its key stands.
    typed: Any = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    overrides = [override.lstrip("+~") for override in typed]
    for key, part in parts.items():
        implies = getattr(part, "implies", "")
        if not implies or any(override.startswith((f"{implies}=", f"{implies}.")) for override in overrides):
            continue
        plugin = installed().get(part.kind, config[key][TARGET].partition("/")[2])
        names, implied = getattr(plugin.cls, implies), parts[implies]
        if not names or list(config[implies]) == list(names):
            continue
        with outside_the_job():
            default = compose([])
        if config[implies] == default[implies]:
            nodes = {name: describe(installed().get(implied.kind, name).cls()) for name in names}
            config = {**config, implies: nodes}
    return config
