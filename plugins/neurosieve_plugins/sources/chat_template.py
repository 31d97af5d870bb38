"""A conversation as a model sees it: by a chat template, with the passages found again in what the template makes."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from neurosieve import Assumption, ConfigError, Passage, Role
from neurosieve_plugins.records import RecordError
from neurosieve_plugins.sources.chat_messages import Message
from neurosieve_plugins.sources.chat_text import ChatText, answer_passages, marks_of, passages_of
from neurosieve_plugins.sources.thought_marks import FAMILIES, MarkerFamily, with_answers

__all__ = ["template_text"]

Render = Callable[[list[dict[str, Any]]], str]


class _Slot(NamedTuple):
    """A text of a turn whose place is sought."""

    text: str
    role: Role
    turn: int
    end_mark: str | None
    """What ends it, if it is a thought."""
    given: bool = False
    """Whether it is the words of a model in a prompt, which are not its own."""


def template_text(
    messages: Sequence[Message],
    template: str,
    variables: Mapping[str, Any],
    markers: MarkerFamily | None,
    where: str,
    ahead: bool = False,
) -> ChatText:
    """Return what a chat template makes of a conversation.

    The template is applied twice: to the conversation, and to one in which a mark stands for each text. If the second,
    with the texts put back for their marks, is the first to the last character, then that is where they stand.

    Args:
        ahead: whether the text ends with what opens the turn of the model, which is still to come.

    Raises:
        ConfigError: there is no such template.
        RecordError: the template refuses the conversation, or changes its texts.
    """
    source, render = _renderer(template)
    if unread := [name for name in variables if not re.search(rf"\b{re.escape(name)}\b", source)]:
        raise ConfigError(
            f"the chat template `{template}` reads no `{unread[0]}`, so that it changes nothing: correct the name in "
            "`source.template_variables`, or leave it out"
        )
    if ahead:
        variables = {**variables, "add_generation_prompt": True}
    slots: list[_Slot] = []
    real, marked = [], []
    for number, message in enumerate(messages):
        thought, content = _texts(message, where)
        real.append(_turn(message, thought, content))
        before = len(slots)
        marked.append(_turn(message, *_marked(message, thought, content, number, slots, markers)))
        if message.given and message.author == "assistant":
            slots[before:] = [slot._replace(given=True) for slot in slots[before:]]
    text, skeleton = (_rendered(render, turns, variables, where) for turns in (real, marked))
    found = [(match.start(), match.end(), int(match[1])) for match in _SLOT.finditer(skeleton)]
    numbers = [number for _, _, number in found]
    filled = _SLOT.sub(lambda match: slots[int(match[1])].text, skeleton)
    if filled != text or len(set(numbers)) < len(numbers):
        how = "repeats a text of" if filled == text else "changes the texts of"
        raise RecordError(
            where,
            f"cannot be shown by this chat template: it {how} its turns, so that whose words are where is not known",
            "leave `source.template` at `plain`, or take another template",
        )
    passages: list[Passage] = []
    at = shift = 0
    for start, end, number in found:
        slot = slots[number]
        at = start + shift
        passages.append(Passage(at, at + len(slot.text), "user" if slot.given else slot.role))
        shift += len(slot.text) - (end - start)
    return ChatText(
        text, with_answers(_touching(text, passages, [slots[n] for n in numbers])), _absent(slots, set(numbers))
    )


_SLOT = re.compile("\ue000([0-9]+)\ue001")


def _texts(message: Message, where: str) -> tuple[str, str]:
    """Return what a turn thinks and what it says."""
    thoughts = [piece.text for piece in message.pieces if piece.kind == "thought"]
    texts = [piece.text for piece in message.pieces if piece.kind == "text"]
    if len(thoughts) > 1 or len(texts) > 1 or (thoughts and message.pieces[0].kind != "thought"):
        why = "has a turn with several thoughts, which a chat template cannot show"
        raise RecordError(where, why, "leave `source.template` at `plain`")
    thought, content = "".join(thoughts), "".join(texts)
    if "\ue000" in thought + content:
        raise RecordError(where, "holds the character U+E000, which stands for no text", "correct the record")
    return thought, content


def _turn(message: Message, thought: str, content: str) -> dict[str, Any]:
    """Return a turn as templates take it."""
    turn: dict[str, Any] = {"role": message.author, "content": content}
    if thought:
        turn["reasoning_content"] = thought
    if message.calls:
        turn["tool_calls"] = [_call(call) for call in message.calls]
    return turn


def _marked(
    message: Message, thought: str, content: str, turn: int, slots: list[_Slot], markers: MarkerFamily | None
) -> tuple[str, str]:
    """Return what a turn thinks and says with a mark for each text in it, which goes into `slots`."""
    end_mark = FAMILIES[markers if markers in FAMILIES else "think"].end  # type: ignore[index]
    marked_thought = _put_marks(thought, [Passage(0, len(thought), "thought")], turn, end_mark, slots)
    if message.author != "assistant":
        own = [Passage(0, len(content), message.author)]
    elif thought:
        own = answer_passages(content, 0, len(content), markers)
    else:
        own, _ = passages_of(content, 0, len(content), markers)
        end_mark = marks_of(content, markers).end
    return marked_thought, _put_marks(content, own, turn, end_mark, slots)


def _put_marks(text: str, passages: Sequence[Passage], turn: int, end_mark: str | None, slots: list[_Slot]) -> str:
    """Return a text with a mark for each passage in it, without the blanks around it and the mark that ends it."""
    made, at = "", 0
    for start, end, role in passages:
        passage = text[start:end]
        if role == "thought" and end_mark is not None:
            passage = passage.removesuffix(end_mark)
        core = passage.strip()
        if not core:
            continue
        first = start + passage.index(core)
        made += f"{text[at:first]}\ue000{len(slots)}\ue001"
        at = first + len(core)
        slots.append(_Slot(core, role, turn, end_mark if role == "thought" else None))
    return made + text[at:]


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call of a tool whose arguments are an object, as templates take them."""
    function = dict(call.get("function") or call)
    if isinstance(arguments := function.get("arguments"), str):
        try:
            function["arguments"] = json.loads(arguments)
        except json.JSONDecodeError:
            function["arguments"] = arguments  # As the model wrote it.
    return {"type": "function", "function": function}


def _touching(text: str, passages: Sequence[Passage], slots: Sequence[_Slot]) -> list[Passage]:
    """Return the passages, those of a thought and its answer widened by what ends the thought, so that they touch."""
    widened = list(passages)
    for number, slot in enumerate(slots):
        if slot.end_mark is None:
            continue
        following = number + 1
        same_turn = following < len(slots) and slots[following].turn == slot.turn
        limit = passages[following].start if same_turn else len(text)
        stop = text.find(slot.end_mark, passages[number].end, limit)
        if stop < 0 or text[passages[number].end : stop].strip():
            continue
        behind = stop + len(slot.end_mark)
        widened[number] = passages[number]._replace(end=behind)
        if same_turn:
            widened[following] = passages[following]._replace(start=behind)
    return widened


def _absent(slots: Sequence[_Slot], numbers: set[int]) -> tuple[Assumption, ...]:
    """Return what a template left out, in words."""
    left_out = [slot for number, slot in enumerate(slots) if number not in numbers]
    roles = sorted({"example" if slot.given else slot.role for slot in left_out})
    names = {
        "thought": "a thought of the model",
        "system": "the system's text",
        "example": "a text of an example in the prompt",
    }
    return tuple(
        Assumption(f"the chat template leaves out {names.get(role, f'a text of the role {role}')}") for role in roles
    )


def _rendered(render: Render, turns: list[dict[str, Any]], variables: Mapping[str, Any], where: str) -> str:
    from jinja2 import TemplateError

    try:
        return render(turns, **variables)
    except (TemplateError, TypeError, ValueError) as error:
        raise RecordError(
            where,
            f"is refused by the chat template ({error})",
            "some take no system turn, or no two turns of one author: correct the record, or leave "
            "`source.template` at `plain`",
        ) from error


def _renderer(template: str) -> tuple[str, Any]:
    """Return the chat template of a file or a model, and what applies it.

    Raises:
        ConfigError: there is none.
    """
    file = Path(template).expanduser()
    if file.is_file():
        from transformers.utils.chat_template_utils import render_jinja_template

        source = file.read_text(encoding="utf-8")

        def render(turns: list[dict[str, Any]], **variables: Any) -> str:
            rendered = render_jinja_template([turns], chat_template=source, **variables)
            return str(rendered[0][0] if isinstance(rendered, tuple) else rendered[0])

        return source, render
    tokenizer = _tokenizer(template)
    return str(tokenizer.chat_template), partial(tokenizer.apply_chat_template, tokenize=False)


@cache
def _tokenizer(model: str) -> Any:
    """Return the tokenizer of a model that has a chat template.

    Raises:
        ConfigError: there is none.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"`source.template` is `{model}`, and no file or tokenizer is read there ({str(error)[:200]}): give a file "
            "such as `chat.jinja`, a model's folder or its name on the hub, or `plain`"
        ) from error
    if tokenizer.chat_template is None:
        raise ConfigError(
            f"the tokenizer of `{model}` has no chat template: take that of a model that was trained to chat, or "
            "leave `source.template` at `plain`"
        )
    return tokenizer
