"""Errors of models that only connectors raise."""

from __future__ import annotations

from langchain_core.exceptions import ContextOverflowError

from nacre.errors import ModelError, UnsupportedInputError


class ContextTooLongError(UnsupportedInputError, ContextOverflowError):
    """The messages do not fit into the model's window; LangChain knows it as `ContextOverflowError`."""


class BadReplyError(ModelError):
    """The server answered something that is no chat completion."""
