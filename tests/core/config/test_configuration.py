"""Plugins become configs and configs become plugins; nothing else can be built."""

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

import pytest
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from neurosieve import ConfigError, Detector, hookimpl
from neurosieve.cli import main
from neurosieve.commands.find import COMMAND
from neurosieve.config.composition import composed
from neurosieve.config.configuration import PLURAL, as_object, build, publish, refuse_foreign_targets
from neurosieve.registry import Registry, as_node, describe, installed

PLUGINS = {f"{plugin.kind}/{plugin.name}": plugin for plugin in installed()}
every_plugin = pytest.mark.parametrize("target", PLUGINS)


@dataclass(frozen=True)
class Everything(Detector):
    """A detector with fields of every type."""

    needed: str
    count: int = 3
    share: float = 0.5
    words: tuple[str, ...] = ("a", "b")
    nested: tuple[tuple[int, ...], ...] = ()
    choice: Literal["left", "right"] = "left"
    maybe: int | None = None
    maybe_words: tuple[str, ...] | None = None
    either: int | str = 1
    weights: Mapping[str, float] = field(default_factory=lambda: {"a": 1.0})
    anything: Any = None

    def detect(self, document):
        return []


class Package:
    @hookimpl
    def register_detectors(self):
        return {"everything": Everything}


REGISTRY = Registry({"a-package": Package()})


@pytest.fixture
def published(monkeypatch):
    """Offer the detector of this file in Hydra's store, for one test."""
    store = ConfigStore.instance()
    monkeypatch.setattr(store, "repo", copy.deepcopy(store.repo))
    publish(COMMAND.schemas)
    publish({}, REGISTRY)


def everything(*overrides):
    config = composed("find", ["detectors=[everything]", "detectors.everything.needed=it", *overrides])
    return build(config.detectors.everything, "detector", "detectors.everything", REGISTRY)


COMMANDS = {"learner": "learn", "problems": "generate", "grader": "analyze", "intervention": "ablate"}
"""Which command takes plugins of a kind, where `find` does not."""


@every_plugin
def test_the_fields_of_every_plugin_compose_to_its_defaults(target):
    kind, name = target.split("/")
    group, command = PLURAL.get(kind), COMMANDS.get(kind, "find")
    publish(import_module(f"neurosieve.commands.{command}").COMMAND.schemas)
    config = composed(command, [f"{group}=[{name}]"] if group else [f"{kind}={name}"])
    node = config[group][name] if group else config[kind]
    assert node._target_ == target
    for one in dataclasses.fields(PLUGINS[target].cls):
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            assert OmegaConf.is_missing(node, one.name)
        else:
            default = one.default if one.default is not dataclasses.MISSING else one.default_factory()
            assert node[one.name] == (list(default) if isinstance(default, tuple) else as_node(default))


@every_plugin
def test_what_is_described_is_built_again(target, tmp_path):
    needed = {"path": str(tmp_path), "dataset": "of/them", "phrases": ("wait", "hmm, no"), "patterns": ("a+", "b")}
    needed["field"] = "label"
    cls = PLUGINS[target].cls
    required = [
        one.name for one in dataclasses.fields(cls) if one.default is one.default_factory is dataclasses.MISSING
    ]
    if not needed.keys() >= set(required):
        pytest.skip(f"{target} needs {required}")
    plugin = cls(**{name: needed[name] for name in required})
    node = describe(plugin)
    assert node["_target_"] == target
    again = build(node, target.split("/")[0], "here")
    assert again == plugin
    assert hash(again) == hash(plugin)
    # And from YAML, which knows no tuples.
    assert build(OmegaConf.create(OmegaConf.to_yaml(OmegaConf.create(node))), target.split("/")[0], "here") == plugin


def test_a_plugin_that_is_not_registered_is_described_by_its_class():
    assert describe(Everything("it"))["_target_"] == f"{__name__}.Everything"


@pytest.mark.usefixtures("published")
def test_values_from_the_command_line_have_the_types_of_their_fields():
    assert everything() == Everything("it")
    given = everything(
        "detectors.everything.count=4",
        "detectors.everything.share=1",
        "detectors.everything.words=[x,y,z]",
        "detectors.everything.nested=[[1,2],[3]]",
        "detectors.everything.choice=right",
        "detectors.everything.maybe=5",
        "detectors.everything.maybe_words=[x]",
        "detectors.everything.either=many",
        "detectors.everything.weights.a=2",
        "+detectors.everything.weights.b=3",
        "detectors.everything.anything={k:[1,{l:2}]}",
    )
    assert given == Everything(
        "it",
        4,
        1.0,
        ("x", "y", "z"),
        ((1, 2), (3,)),
        "right",
        5,
        ("x",),
        "many",
        {"a": 2.0, "b": 3.0},
        {"k": [1, {"l": 2}]},
    )
    assert isinstance(given.share, float)
    assert isinstance(given.weights["b"], float)
    hash(given.words), hash(given.nested)


@pytest.mark.usefixtures("published")
def test_a_field_can_be_emptied_again():
    assert everything("detectors.everything.maybe=null").maybe is None
    assert everything("detectors.everything.words=[]").words == ()


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("detectors.everything.count=many", "'many' of type 'str' could not be converted to Integer"),
        ("detectors.everything.share=much", "'much' of type 'str' could not be converted to Float"),
        ("detectors.everything.words=some", "str is not a ListConfig"),
        ("detectors.everything.maybe=perhaps", "could not be converted to Integer"),
        ("detectors.everything.weights.a=heavy", "could not be converted to Float"),
    ],
)
def test_a_value_of_another_type_is_refused(override, said):
    with pytest.raises(HydraException) as refused:
        everything(override)
    assert said in str(refused.value.__cause__)


@pytest.mark.usefixtures("published")
def test_a_choice_that_there_is_not_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"`detectors.everything.choice` is `rigth`: did you mean `right`\?"):
        everything("detectors.everything.choice=rigth")


@pytest.mark.usefixtures("published")
def test_a_field_without_a_value_is_named_with_the_override_that_gives_one():
    config = composed("find", ["detectors=[everything]"])
    with pytest.raises(ConfigError, match=r"`here.needed` has no value: give one with `here.needed=...`"):
        build(config.detectors.everything, "detector", "here", REGISTRY)


def test_a_field_that_there_is_not_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"`here` has no field `cuont`: did you mean `count`\?"):
        as_object(Everything, {"needed": "it", "cuont": 4}, "here")


def test_a_plugin_that_there_is_not_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"`here._target_` is `scorer/aucc`.*did you mean `scorer/auc`"):
        build({"_target_": "scorer/aucc"}, "scorer", "here")


def test_a_plugin_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match="`here` is a scorer, where a detector is wanted"):
        build({"_target_": "scorer/auc"}, "detector", "here")


@pytest.mark.parametrize("node", [None, "auc", {}, {"name": "auc"}])
def test_a_node_that_asks_for_nothing_builds_nothing(node):
    with pytest.raises(ConfigError, match="`here` builds no scorer"):
        build(node, "scorer", "here")


@pytest.mark.parametrize(
    ("schema", "values", "said"),
    [
        ("find", {"interval_bootstraps": 0}, "interval_bootstraps is 0: give a whole number, at least 1"),
        ("find", {"test_top": -1}, "test_top is -1: give a whole number, at least 0"),
        ("find", {"tokens_per_batch": 0}, "tokens_per_batch is 0: give a whole number, at least 1"),
        ("find", {"seed": -1}, "seed is -1: give a whole number, at least 0"),
        ("selection", {"controls_per_position": float("nan")}, "selection.controls_per_position is nan"),
        (
            "selection",
            {"negatives_per_positive_document": float("inf")},
            "selection.negatives_per_positive_document is inf",
        ),
        ("selection", {"at": "onst"}, r"`here.at` is `onst`: did you mean `onset`"),
        (
            "model",
            {"name": "x", "format": "gguf"},
            r"`here.format` is `gguf`: did you mean `gguf_package`|`here.format` is `gguf`: there are",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(schema, values, said):
    with pytest.raises(ConfigError, match=said):
        as_object(COMMAND.schemas[schema], values, "here")


def test_settings_of_a_config_are_plain_values():
    config = OmegaConf.create({"layers": [2, 0], "more": {"a": [1]}})
    found = as_object(COMMAND.schemas["find"], {"layers": config.layers, "source": config.more}, "here")
    assert found.layers == (2, 0)
    assert found.source == {"a": [1]}
    assert type(found.source) is dict


KEYS = st.text("abc", min_size=1, max_size=3)
LEAVES = st.none() | st.integers() | KEYS
CONFIGS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


@st.composite
def hidden(draw, target):
    """A config with a node somewhere in it that asks for `target`, and the node's place."""
    node, place = {"_target_": target, **draw(st.dictionaries(KEYS, LEAVES, max_size=2))}, ""
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            before = draw(st.lists(CONFIGS, max_size=2))
            node, place = [*before, node, *draw(st.lists(CONFIGS, max_size=2))], f"[{len(before)}]{place}"
        else:
            key = draw(KEYS)
            node, place = {**draw(st.dictionaries(KEYS, CONFIGS, max_size=2)), key: node}, f".{key}{place}"
    return node, place


@pytest.mark.parametrize("as_config", [False, True])
@given(case=hidden("os.system"))
def test_a_foreign_target_is_refused_by_name_wherever_it_hides(as_config, case):
    node, place = case
    with pytest.raises(ConfigError) as refused:
        refuse_foreign_targets(OmegaConf.create({"x": node}) if as_config else node)
    assert f"`config{'.x' * as_config}{place}._target_` is `os.system`, which is not a registered plugin" in str(
        refused.value
    )


@given(case=hidden("scorer/auc"))
def test_a_registered_target_is_welcome_anywhere(case):
    refuse_foreign_targets(case[0])


@pytest.mark.parametrize("target", ["${evil}", "${oc.env:HOME}", "builtins.eval", "", None, 3, "scorer/auc/more"])
def test_a_target_that_is_no_name_of_a_plugin_is_refused(target):
    with pytest.raises(ConfigError, match="not a registered plugin"):
        refuse_foreign_targets(OmegaConf.create({"evil": "scorer/auc", "x": [{"_target_": target}]}))


HYDRA = {
    "callback": ["+hydra.callbacks.x._target_=os.mkdir", "+hydra.callbacks.x.path=here"],
    "callback through a module of Hydra's": [
        "+hydra.callbacks.x._target_=hydra._internal.utils.os.mkdir",
        "+hydra.callbacks.x.path=here",
    ],
    "callback by interpolation": [
        "+evil._target_=os.mkdir",
        "+evil.path=here",
        "+hydra.callbacks.x=${evil}",
    ],
    "callback by resolver": ["+hydra.callbacks.x='${oc.create:{_target_: os.mkdir, path: here}}'"],
    "callback deep": ["+hydra.callbacks.compare.x=[{_target_:os.mkdir,path:here}]"],
    "launcher": ["-m", "hydra.launcher._target_=os.mkdir", "+hydra.launcher.path=here", "seed=0,1"],
    "sweeper": ["-m", "hydra.sweeper._target_=os.mkdir", "+hydra.sweeper.path=here", "seed=0,1"],
    "log handler": [
        "hydra.job_logging.root={handlers:[x]}",
        "+hydra.job_logging.handlers={x:{class:subprocess.Popen,args:[mkdir,here]}}",
    ],
}


@pytest.mark.parametrize("overrides", HYDRA.values(), ids=HYDRA)
def test_hydra_builds_nothing_foreign_either(overrides, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(["find", "model=tiny", f"store={tmp_path}", "source.documents=4", *overrides])
    said = capsys.readouterr().err
    assert said.startswith("neurosieve: `hydra.")
    assert "it is not built" in said
    assert list(tmp_path.iterdir()) == []


CALLBACK = "callbacks: {x: {_target_: os.mkdir, path: made}}"
FORMATTER = "job_logging: {version: 1, root: {level: INFO}, formatters: {x: {'()': os.mkdir, path: made}}}"


@pytest.mark.parametrize("flag", ["--config-path", "--config-dir"])
@pytest.mark.parametrize("evil", [CALLBACK, FORMATTER], ids=["callback", "log formatter"])
def test_a_folder_of_configs_from_a_stranger_runs_no_code(flag, evil, tmp_path, monkeypatch, capsys):
    theirs, here = tmp_path / "theirs", tmp_path / "here"
    (theirs / "experiment").mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    (theirs / "find.yaml").write_text(f"hydra:\n  {evil}\n")
    (theirs / "experiment" / "theirs.yaml").write_text(f"# @package _global_\nhydra:\n  {evil}\n")
    with pytest.raises(SystemExit, match="2"):
        main(["find", "model=tiny", f"store={tmp_path}", flag, str(theirs), "+experiment=theirs"])
    assert capsys.readouterr().err.startswith("neurosieve: `")
    assert list(here.iterdir()) == []


def test_nor_does_a_sweep_over_such_configs(tmp_path, monkeypatch, capsys):
    theirs, here = tmp_path / "theirs" / "experiment", tmp_path / "here"
    theirs.mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    (theirs / "good.yaml").write_text("# @package _global_\nseed: 1\n")
    (theirs / "evil.yaml").write_text(f"# @package _global_\nhydra:\n  {FORMATTER}\n")
    with pytest.raises(SystemExit, match="2"):
        main(
            [
                "find",
                "model=tiny",
                f"store={tmp_path}",
                "-m",
                "--config-dir",
                str(theirs.parent),
                "+experiment=evil,good",
            ]
        )
    said = capsys.readouterr().err
    assert said.startswith("neurosieve: `hydra.job_logging.formatters.x.()` is `os.mkdir`, which is neither")
    assert list(here.iterdir()) == []
