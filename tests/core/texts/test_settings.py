"""Settings of the selection that do not fit together end in one message."""

import pytest

from neurosieve import ConfigError
from neurosieve.texts.settings import Selection


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pool": "max"}, "selection.pool is max, and selection.unit is token: one token is not pooled; give a unit"),
        ({"unit": "span", "at": "span"}, "selection.at is span, and selection.unit is span: a unit of several tokens"),
        ({"unit": "completion", "at": "prediction"}, "leave out `selection.at`"),
        ({"unit": "sentence", "prompt_tokens": 3}, "selection.prompt_tokens is 3, and selection.unit is sentence"),
        ({"unit": "prompt_end", "prompt_tokens": 0}, "selection.prompt_tokens is 0"),
    ],
)
def test_settings_that_do_nothing_or_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ConfigError) as refused:
        Selection(**settings)
    assert message in str(refused.value)
