"""Who speaks in a conversation: the names that records and chat templates have for it."""

from collections.abc import Mapping
from typing import Literal

__all__ = ["AUTHORS", "Author"]

Author = Literal["system", "user", "assistant", "tool"]
"""Whose turn it is; the assistant is the model."""

AUTHORS: Mapping[str, Author] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "ipython": "tool",
    "function_response": "tool",
    "tool_response": "tool",
}
"""What stands for whom, in small letters."""
