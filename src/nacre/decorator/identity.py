"""What a model is, as data: the key under which its answers may be kept.

Two models may share a cached answer only when everything that shapes the answer is equal, all the way in. What
cannot be described (an open connection, a lambda) is unique to this object and this process; what cannot even be
followed (an iterator) is never equal to anything, and an answer that depends on it is not kept.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import threading
import uuid
import weakref
from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel

_PROCESS = uuid.uuid4().hex
NEVER = f"never.{_PROCESS}"
"""Stands in the description of what is never equal to anything, itself included: see `describe`."""
_numbers = itertools.count()
_numbering = threading.Lock()
# By id, as long as the object lives: an id may be given to another one, a number is not.
_OPAQUE: dict[int, tuple[weakref.ref[Any], int]] = {}
# Settings of LangChain that do not shape an answer.
_UNSEEN = "callbacks tags metadata verbose rate_limiter cache name profile custom_get_token_ids disable_streaming"
_IRRELEVANT = frozenset(_UNSEEN.split())


def identity(model: BaseChatModel) -> dict[str, Any]:
    """Describe a chat model wholly, layers inside out.

    Returns:
        Plain data: the class, every field that shapes an answer, and for a layer the identity of its inner model. A
        leaf that says what it is (LangChain's `_identifying_params`) is taken at its word, and its plain settings
        (texts and numbers that it prints) are added; clients and connections stay out.
    """
    fields = _fields(model)
    is_layer = isinstance(fields.get("inner"), BaseChatModel)
    if not is_layer and type(model)._identifying_params is not BaseChatModel._identifying_params:
        shown = {n: v for n, v in fields.items() if type(model).model_fields[n].repr and _is_plain(v)}
        return {"class": _name(model), "params": describe(model._identifying_params), "fields": describe(shown)}
    if not is_layer and model.is_lc_serializable():
        return {"class": _name(model), "model": model._get_llm_string()}
    return {"class": _name(model), "fields": describe(fields)}


def _fields(model: BaseModel) -> dict[str, Any]:
    return {name: getattr(model, name) for name in type(model).model_fields if name not in _IRRELEVANT}


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_plain(inside) for inside in value.values())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(inside) for inside in value)
    return value is None or isinstance(value, (str, int, float, bool))


def describe(value: Any) -> Any:
    """Describe any value as plain data that is equal only for values that behave the same.

    An object may say itself what it is by an attribute `identity` (a retriever: its knowledge base and generation).
    """
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, BaseChatModel):
        return identity(value)
    if isinstance(value, Mapping):
        return {str(key): describe(inside) for key, inside in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(inside) for inside in value]
    if isinstance(value, (set, frozenset)):
        return sorted(str(describe(inside)) for inside in value)
    own = getattr(value, "identity", None)
    if isinstance(own, (str, Mapping)):
        return {"class": _name(value), "identity": describe(own)}
    if isinstance(value, type) or (
        callable(value) and getattr(value, "__qualname__", "<").find("<") < 0 and not hasattr(value, "__self__")
    ):
        return f"{value.__module__}.{value.__qualname__}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"class": _name(value), "fields": describe(fields)}
    if isinstance(value, BaseModel):
        return {"class": _name(value), "fields": describe(_fields(value))}
    return f"{_name(value)}@{_PROCESS}.{os.getpid()}.{_number(value)}"


def _number(value: Any) -> int | str:
    """The number of an object for as long as it lives; a new one each time where its end cannot be watched."""
    key = id(value)
    known = _OPAQUE.get(key)
    if known is not None and known[0]() is value:
        return known[1]

    def forget(gone: weakref.ref[Any]) -> None:
        if (now := _OPAQUE.get(key)) is not None and now[0] is gone:
            del _OPAQUE[key]

    try:
        watched = weakref.ref(value, forget)
    except TypeError:
        return f"{NEVER}.{next(_numbers)}"
    with _numbering:  # two threads that ask at once are told the same
        known = _OPAQUE.get(key)
        if known is None or known[0]() is not value:
            known = _OPAQUE[key] = (watched, next(_numbers))
        return known[1]


def _name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
