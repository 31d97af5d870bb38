"""What a model thinks in a turn, where records give it in a field and again between marks."""

from neurosieve import Assumption, Passage
from neurosieve_plugins.sources.chat_messages import Message
from neurosieve_plugins.sources.chat_text import marks_of, passages_of
from neurosieve_plugins.sources.thought_marks import MarkerFamily

__all__ = ["with_thought_once"]


def with_thought_once(message: Message, markers: MarkerFamily | None = None) -> Message:
    """Return a turn of the model in which no thought stands twice.

    >>> from neurosieve_plugins.sources.chat_messages import Piece
    >>> turn = Message("assistant", (Piece("thought", "Easy."), Piece("text", "<think>Easy.</think>Two.")))
    >>> with_thought_once(turn).pieces
    (Piece(kind='text', text='<think>Easy.</think>Two.'),)
    """
    kinds = [piece.kind for piece in message.pieces]
    if message.author != "assistant" or kinds != ["thought", "text"]:
        return message
    thought, content = (piece.text for piece in message.pieces)
    own, _ = passages_of(content, 0, len(content), markers)
    between_marks = [passage for passage in own if passage.role == "thought"]
    if any(_folded(thought) in _folded(_text(content, passage)) for passage in between_marks):
        once = Assumption("holds its thought in a field and again between marks: it was used once", known=True)
        return message._replace(pieces=message.pieces[1:], assumptions=(*message.assumptions, once))
    if content.lstrip().startswith(marks_of(content, markers).start):
        both = Assumption("holds a thought in a field and another one between marks: both were taken as thoughts")
        return message._replace(assumptions=(*message.assumptions, both))
    return message


def _text(content: str, passage: Passage) -> str:
    return content[passage.start : passage.end]


def _folded(text: str) -> str:
    return " ".join(text.split())
