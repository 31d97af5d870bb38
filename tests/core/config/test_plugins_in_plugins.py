"""A field of a plugin may be a plugin, or several: a config holds their nodes, or their names."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from omegaconf import OmegaConf

from neurosieve import ConfigError, Detector, Document, Grader, Span, check_fields
from neurosieve.config.configuration import as_object
from neurosieve.registry import as_node, describe
from neurosieve.testing import check_plugin
from neurosieve_plugins.graders.boxed import Boxed
from neurosieve_plugins.graders.math_verify import MathVerify


@dataclass(frozen=True)
class Jury(Detector):
    """What several graders find wrong."""

    head: Grader = field(default_factory=Boxed)
    deputy: Grader | None = None
    members: tuple[Grader, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "the detector `jury`: ")

    def detect(self, document: Document) -> Iterable[Span]:
        return []


@pytest.mark.parametrize(
    "jury", [Jury(), Jury(MathVerify(), Boxed("</t>")), Jury(members=(Boxed("</t>"), MathVerify(seconds=1.0)))]
)
def test_a_plugin_is_described_with_those_in_it_and_built_again(jury: Jury):
    check_plugin(jury)
    node = describe(jury)
    assert node["head"] == as_node(jury.head) == describe(jury.head)
    assert as_object(Jury, OmegaConf.create(OmegaConf.to_yaml(OmegaConf.create(node))), "jury") == jury


def test_a_name_stands_for_a_plugin_with_its_defaults():
    jury = as_object(Jury, {"head": "math_verify", "deputy": "boxed", "members": ["boxed"]}, "jury")
    assert jury == Jury(MathVerify(), Boxed(), (Boxed(),))


def test_a_whole_number_is_a_number_in_a_plugin_of_a_plugin():
    jury = as_object(Jury, {"head": {"_target_": "grader/math_verify", "seconds": 3}}, "jury")
    assert repr(jury.head) == repr(MathVerify(seconds=3.0))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"members": ["boxd"]}, "there is no grader `boxd`: did you mean `boxed`"),
        ({"deputy": {"_target_": "detector/regex"}}, "`jury.deputy` is a detector, where a grader is wanted"),
        (
            {"head": {"_target_": "subprocess.run"}},
            "`jury.head._target_` is `subprocess.run`, which is not a registered",
        ),
        ({"head": {"_target_": "grader/math_verify", "seconds": -1}}, "`seconds` of the grader `math_verify` is -1"),
    ],
)
def test_what_is_no_such_plugin_is_refused(fields: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        as_object(Jury, fields, "jury")
