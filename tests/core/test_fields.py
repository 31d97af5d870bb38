"""Settings say what a field holds, and what it may hold."""

import pickle
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Lt, MinLen

from neurosieve import check_fields
from neurosieve.errors import ConfigError, FieldError


@dataclass(frozen=True)
class Settings:
    """Some settings."""

    count: Annotated[int, Ge(1)] | None = None
    share: Annotated[float, Ge(0), Lt(float("inf"))] = 0
    names: tuple[Annotated[str, MinLen(1)], ...] = ()
    kind: Literal["a", "b"] = "a"

    def __post_init__(self) -> None:
        check_fields(self, "some.")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"count": 0}, "some.count is 0: give a whole number, at least 1"),
        ({"count": True}, "some.count is True: give a whole number, at least 1"),
        ({"share": float("nan")}, "some.share is nan: give a number, at least 0"),
        ({"share": float("inf")}, "some.share is inf: give a number, at least 0"),
        ({"names": "ab"}, "some.names is 'ab': give a list, each item a text, not empty"),
        ({"names": ("",)}, "some.names is ['']: give a list, each item a text, not empty"),
        ({"kind": "c"}, "some.kind is 'c': take a or b"),
    ],
)
def test_what_a_field_may_not_hold_is_refused(fields, message):
    with pytest.raises(ConfigError) as error:
        Settings(**fields)
    assert str(error.value) == message


def test_a_list_is_as_good_as_a_tuple():
    assert Settings(names=["a", "b"]).names == ["a", "b"]


def test_an_error_about_a_field_names_the_key_under_its_part_also_from_another_process():
    error = pickle.loads(pickle.dumps(FieldError("count", "is 0: give at least 1", "some.")))
    assert str(error) == "some.count is 0: give at least 1"
    assert str(error.under("reading.")) == "reading.count is 0: give at least 1"
