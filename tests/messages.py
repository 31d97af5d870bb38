"""What a command says of a user's mistake."""

import pytest

from neurosieve.cli import main


def message_of(capsys, *arguments):
    """Run a command that a mistake stops, and return its message, of one line."""
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    return message
