"""With the shortcuts Hydra says what it says without, and they end with the command."""

from contextlib import contextmanager
from copy import deepcopy
from functools import cache

import pytest
from hydra import initialize_config_module
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.types import RunMode
from omegaconf import OmegaConf

from neurosieve.cli import main
from neurosieve.commands.detect import COMMAND as DETECT
from neurosieve.commands.find import COMMAND as FIND
from neurosieve.config.composition import VERSION_BASE, whole_config
from neurosieve.config.configuration import CONF, publish
from neurosieve.config.hydra_shortcuts import Composed, shortcuts


@contextmanager
def hydras_loader():
    with initialize_config_module(CONF, version_base=VERSION_BASE):
        yield GlobalHydra.instance().config_loader()


@cache
def composed(overrides, mode):
    publish(FIND.schemas)
    publish(DETECT.schemas)
    return whole_config("find", overrides, mode)


def checked(overrides=(), mode=RunMode.RUN):
    return Composed(deepcopy(composed(tuple(overrides), mode)), "find", tuple(overrides), mode)


@pytest.mark.parametrize("mode", [RunMode.RUN, RunMode.MULTIRUN])
@pytest.mark.parametrize("overrides", [[], ["model=tiny", "reports=[]", "hydra.job.chdir=true"]])
def test_hydra_goes_on_from_the_config_that_it_would_compose(mode, overrides):
    config = checked(overrides, mode)
    with hydras_loader() as loader:
        given = ["find", [*overrides, f"hydra.mode={mode.name}"], mode]
        expected = loader.load_configuration(*given)
        with shortcuts(config):
            handed_over = loader.load_configuration(*given)
            assert handed_over is config.config
            again = loader.load_configuration(*given)
    for other in (handed_over, again):
        assert OmegaConf.to_container(other) == OmegaConf.to_container(expected)
        assert OmegaConf.is_struct(other) == OmegaConf.is_struct(expected)
    assert again is not handed_over  # A sweep's config is not that of its jobs.


def test_a_command_composes_its_config_once(tmp_path, monkeypatch):
    composed, compose = [], ConfigLoaderImpl._load_configuration_impl

    def counted(self, **asked):
        composed.append(asked["config_name"])
        return compose(self, **asked)

    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", counted)
    main(["plan", "model=tiny", "source.documents=10", f"hydra.run.dir={tmp_path / 'plan'}"])
    assert composed == ["plan"]


@pytest.mark.parametrize(
    ("name", "overrides", "mode"),
    [
        ("detect", ["hydra.mode=RUN"], RunMode.RUN),
        ("find", ["reports=[]", "hydra.mode=RUN"], RunMode.RUN),
        ("find", ["hydra.mode=MULTIRUN"], RunMode.MULTIRUN),
        ("find", [], RunMode.RUN),
    ],
)
def test_another_config_is_composed_anew(name, overrides, mode):
    config = checked()
    with hydras_loader() as loader, shortcuts(config):
        assert loader.load_configuration(name, overrides, mode) is not config.config


@pytest.mark.parametrize("group", ["", "detectors", "selection", "hydra/help", "nothing"])
@pytest.mark.parametrize("kind", [ObjectType.CONFIG, ObjectType.GROUP])
def test_the_options_of_a_group_are_the_same(group, kind):
    config = checked()
    with hydras_loader() as loader:
        expected = loader.get_group_options(group, kind)
        with shortcuts(config):
            assert loader.get_group_options(group, kind) == expected


def test_a_folder_that_an_override_brings_is_looked_in_for_as_long_as_it_is_asked_for(tmp_path):
    (tmp_path / "detectors").mkdir()
    (tmp_path / "detectors" / "theirs.yaml").write_text("{}")
    config = checked()
    with hydras_loader() as loader, shortcuts(config):
        options = loader.get_group_options("detectors", overrides=[f"hydra.searchpath=[file://{tmp_path}]"])
        assert "theirs" in options
        assert "theirs" not in loader.get_group_options("detectors")


def test_they_end_with_the_command_also_with_one_that_fails():
    config = checked()
    config.config.hydra.mode = RunMode.MULTIRUN
    before = Hydra.get_mode, ConfigLoaderImpl.load_configuration, "__deepcopy__" in vars(ConfigRepository)

    def fail():
        with shortcuts(config):
            assert Hydra.get_mode(None, "find", []) == RunMode.MULTIRUN
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (Hydra.get_mode, ConfigLoaderImpl.load_configuration, "__deepcopy__" in vars(ConfigRepository)) == before
