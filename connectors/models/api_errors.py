"""What a model server or the way to it reports, as errors of Nacre that say what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import openai
from langchain_core.exceptions import ContextOverflowError

from nacre import errors
from nacre.connectors.models.deltas import StreamEnd
from nacre.connectors.models.model_errors import BadReplyError, ContextTooLongError
from nacre.connectors.models.provider import Provider
from nacre.system.net import seconds_to_wait
from nacre.text.language import tr

# The HTTP libraries under openai 2 and 3; their errors come out of a stream unwrapped. Named, never imported.
_TRANSPORTS = {"httpx", "httpcore", "httpx2", "httpcore2", "anyio", "ssl"}
_CUT_OFF = {"RemoteProtocolError", "ReadError"}
_LONGEST_QUOTE = 300
_TOO_LONG = re.compile("context[_ ]length|maximum context|prompt is too long|input length", re.IGNORECASE)
_REFUSING = {200, 400, 404, 405, 422, 501}


def _refusal(parameter: str, noun: str) -> re.Pattern[str]:
    """What servers say that refuse a parameter. A refusal of something inside it, tools[0].type, is another matter."""
    mark = r"['\"`]?"
    return re.compile(
        rf"(?:(?:not|n.t|that) support (?:\w+:? ){{0,3}}?\[?{mark}(?:{parameter}|{noun})\b(?!\s?[\[.]\S)"
        rf"|(?<![\w.])(?:{parameter}|{noun}){mark}(?: parameters?)? (?:is|are) (?:currently )?(?:not |un)"
        rf"(?:supported|available|allowed|permitted|enabled)"
        rf"|(?:unsupported|unknown|unrecognized|unexpected)\b[\w ]{{0,30}}:? ?{mark}(?:{parameter})\b(?!\s?[\[.]\S)"
        rf"|\b(?:{parameter}){mark}:? extra inputs are not permitted"
        rf"|extra_forbidden.{{0,40}}{mark}body{mark}, {mark}(?:{parameter}){mark}[\])]"
        rf"|(?:不支持|不允许)[^，。；]{{0,8}}(?:{parameter}|{noun}))",
        re.IGNORECASE,
    )


_REFUSALS = {
    "stop": _refusal("stop", "stop[ _]?sequences?|stop words?|停止词"),
    "tools": _refusal(
        "tools|tool_choice|functions",
        "tools?|tool (?:use|choice|calls?|calling)|functions?|function call(?:ing|s)?|工具|函数调用",
    ),
}
# vLLM's word for a server that was started without tools.
_NO_TOOLS = "--enable-auto-tool-choice"


@dataclass(frozen=True)
class Place:
    """Whom a call went to, for the messages."""

    provider: Provider
    model: str
    url: str

    @property
    def name(self) -> str:
        """The model as one writes it: "dashscope:qwen-plus"."""
        return f"{self.provider.name}:{self.model}"

    @property
    def variable(self) -> str:
        """The environment variable for the key."""
        return self.provider.keys[0]

    @property
    def facts(self) -> dict[str, str]:
        """What messages tell of it."""
        told = {"name": self.name, "title": self.provider.title, "model": self.model, "url": self.url}
        return {**told, "variable": self.variable}


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Raise what happens inside as an error of Nacre, with the original as its cause."""
    try:
        yield
    except errors.NacreError:
        raise
    except Exception as error:
        ours = translate(error, place)
        if ours is None:
            raise
        raise ours from error


def translate(error: Exception, place: Place) -> errors.NacreError | None:
    """The error of Nacre for an error of a call; None where the error is not the server's doing."""
    if isinstance(error, ContextOverflowError):
        return _too_long(error, place)
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, place)
    if isinstance(error, StreamEnd):
        return _broken_off(tr("it ended without a finish"), place)
    if isinstance(error, json.JSONDecodeError):
        return _broken_off(tr("a part of it is no JSON"), place)
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return _unreachable(tr("no answer in time"), place)
    if isinstance(error, openai.APIConnectionError):
        root = _root(error)
        cut_off = type(root).__name__ in _CUT_OFF
        return (_broken_off if cut_off else _unreachable)(str(root).rstrip(".") or type(root).__name__, place)
    if isinstance(error, openai.APIError):
        return _broken_off(_quote(error), place)
    if type(error).__module__.partition(".")[0] in _TRANSPORTS or isinstance(error, ConnectionError):
        return _broken_off(f"{type(error).__name__}: {error}", place)
    return None


def bad_reply(text: str, place: Place) -> errors.ModelError:
    """The error for an answer that is no chat completion, perhaps an error that came with HTTP 200."""
    if refused := _refused(None, text, 200, place):
        return refused
    told = tr(
        "{name} at {url} sent no chat completion: {text}. Check the base URL; it often ends in /v1.",
        **place.facts,
        text=text[:_LONGEST_QUOTE],
    )
    return BadReplyError(told, model=place.name, uri=place.url)


def _of_status(error: openai.APIStatusError, place: Place) -> errors.NacreError:
    status, said = error.status_code, _quote(error)
    facts: dict[str, Any] = {**place.facts, "said": said, "status": status}
    if _TOO_LONG.search(said):
        return _too_long(error, place)
    if status == 401:
        told = tr("{title} does not accept the key (HTTP 401): {said} Set a valid one: export {variable}=…", **facts)
        return errors.MissingKeyError(told, model=place.name, variable=place.variable)
    if refused := _refused(error, said, status, place):
        return refused
    if status == 404:
        told = tr("{title} at {url} knows no model {model!r}: {said} Check the model's name and the base URL.", **facts)
        return errors.UnknownProviderError(told, model=place.name)
    if status in (408, 409, 429) or status >= 500:
        wait = seconds_to_wait(error.response.headers.get("retry-after"))
        later_en = f" Try again in {wait:g} s." if wait else " Try again later, or name another model."
        later_zh = f" 请在 {wait:g} 秒后重试。" if wait else " 请稍后重试，或换一个模型。"
        told = tr("{name} cannot answer now (HTTP {status}): {said}{en}", **facts, en=later_en, zh=later_zh)
        return errors.ModelUnavailableError(told, model=place.name, uri=place.url, status=status, retry_after_s=wait)
    told = tr(
        "{name} refused the request (HTTP {status}): {said} Check the arguments and what the model supports.", **facts
    )
    return errors.ModelError(told, model=place.name, status=status)


def _refused(
    error: openai.APIError | None, said: str, status: int, place: Place
) -> errors.UnsupportedParameterError | None:
    """The error where a server takes a call but for one parameter: told by a field, as OpenAI does, or a sentence."""
    if status not in _REFUSING:
        return None
    field = error.param if error is not None and error.code == "unsupported_parameter" else None
    parameter = next((name for name, phrase in _REFUSALS.items() if name == field or phrase.search(said)), None)
    parameter = "tools" if _NO_TOOLS in said else parameter
    if parameter is None:
        return None
    facts = {"name": place.name, "parameter": parameter, "status": status, "said": said}
    told = tr("{name} does not take {parameter!r} (HTTP {status}): {said} Ask without it.", **facts)
    return errors.UnsupportedParameterError(told, model=place.name, status=status, parameter=parameter)


def _unreachable(why: str, place: Place) -> errors.ModelUnavailableError:
    if place.provider.needs_key:
        en, zh = "Check the network, a proxy, or set base_url", "请检查网络、代理或 base_url"
    else:
        en, zh = f"Start the server, or set {place.provider.urls[0]}", f"请启动该服务，或设置 {place.provider.urls[0]}"
    told = tr("Cannot reach {name} at {url}: {why}. {en}.", **place.facts, why=why, en=en, zh=zh)
    return errors.ModelUnavailableError(told, model=place.name, uri=place.url, status=None)


def _broken_off(why: str, place: Place) -> errors.ModelUnavailableError:
    why = why.rstrip(" .。")
    told = tr("{name} broke off in the middle of its answer: {why}. Ask again.", name=place.name, why=why)
    return errors.ModelUnavailableError(told, model=place.name, uri=place.url, status=None)


def _too_long(error: Exception, place: Place) -> ContextTooLongError:
    said, name = _quote(error), place.name
    told = tr(
        "The messages are too long for {name}: {error} Send less history or fewer sources.", name=name, error=said
    )
    return ContextTooLongError(told, model=name)


def _root(error: BaseException) -> BaseException:
    while below := error.__cause__ or error.__context__:
        error = below
    return error


def _quote(error: Exception) -> str:
    """What the server said, in one short line that ends like a sentence."""
    body: Any = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else None
    text = " ".join(str(said or getattr(error, "message", "") or error).split())
    text = text[:_LONGEST_QUOTE].rstrip(" .。")
    return f"{text}." if text else ""
