"""Messages as the text that a local model was trained on: its own chat template, or a plain one where it has none.

Images in them are decoded here, never fetched from anywhere.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from nacre.errors import ModelError, UnsupportedInputError
from nacre.extras import need
from nacre.text.hygiene import clean_text
from nacre.text.language import language_of, tr

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_KINDS = ("image", "image_url", "input_image")
_MOST_PIXELS = 50_000_000
_TOOLS = re.compile(r"\{[%{][^}]*?\btools\b")
_PLAIN_LABELS = {"en": {"user": "User: ", "assistant": "Assistant: "}, "zh": {"user": "用户：", "assistant": "助手："}}


def turns(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """One `{"role", "content"}` a message; what a tool returned comes as the user's."""
    rows = []
    for message in messages:
        if isinstance(message, SystemMessage):
            role = "system"
        elif isinstance(message, AIMessage):
            role = "assistant"
        else:
            role = "user"
        text = f"Observation: {message.text}" if isinstance(message, ToolMessage) else str(message.text)
        rows.append({"role": role, "content": text})
    return rows


def takes_tools(tokenizer: Any, template: str | None) -> bool:
    """Whether a chat template, given or the tokeniser's own, has a place for tools."""
    if template is None and tokenizer.chat_template:
        template = tokenizer.get_chat_template(tools=[{}])  # of several templates the one for tools
    return bool(_TOOLS.search(template or ""))


def prompt_ids(
    tokenizer: Any,
    messages: Sequence[BaseMessage],
    template: str | None,
    options: dict[str, Any],
    tools: Sequence[dict[str, Any]] | None = None,
) -> tuple[list[int], list[str]]:
    """The token ids that ask a model for the next message.

    Args:
        template: a Jinja chat template in place of the tokeniser's own.
        options: variables for the template, such as `enable_thinking`.
        tools: tools in OpenAI's form, for a template that `takes_tools`; calls and results among the messages are then
            given as such.
    """
    rows = _defused((turns_with_calls if tools else turns)(messages), tokenizer)
    if not (template or tokenizer.chat_template):
        text, stops = plain(rows)
        return list(tokenizer(text)["input_ids"]), stops
    # Some templates know no system role, or want user and assistant to take turns (Gemma, Mistral).
    attempts = [rows] if tools else [rows, alternating(rows)]
    settings = {"chat_template": template, "return_dict": False, **options}
    return list(_filled(tokenizer, tokenizer, attempts, tools, settings)), []


def _filled(
    filler: Any, tokenizer: Any, attempts: list[Any], tools: Sequence[dict[str, Any]] | None, settings: dict[str, Any]
) -> Any:
    """What the chat template makes of the first turns that it takes."""
    given = {"tools": _defused(tools, tokenizer)} if tools else {}
    given |= {"add_generation_prompt": True, "tokenize": True, **settings}
    failure: Exception | None = None
    for attempt in attempts:
        try:
            return filler.apply_chat_template(attempt, **given)
        except Exception as error:  # Jinja raises what the template says
            failure = failure or error
    told = tr("The model's chat template cannot be filled: {failure}", failure=failure)
    raise ModelError(told, model=str(tokenizer.name_or_path)) from failure


def prompt_with_images(
    processor: Any,
    messages: Sequence[BaseMessage],
    template: str | None,
    options: dict[str, Any],
    tools: Sequence[dict[str, Any]] | None = None,
) -> tuple[list[int], list[str], dict[str, Any]]:
    """As `prompt_ids`, for a model that sees; and what `generate` is given of the images."""
    rows = _defused((turns_with_calls if tools else turns)(messages), processor.tokenizer)
    told = [{**row, "content": _parts(message, row["content"])} for row, message in zip(rows, messages, strict=True)]
    settings = {"chat_template": template, "return_dict": True, "return_tensors": "pt", **options}
    made = dict(_filled(processor, processor.tokenizer, [told], tools, settings))
    ids = made.pop("input_ids")[0].tolist()
    made.pop("attention_mask", None)
    return ids, [], made


def turns_with_calls(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Messages as roles and texts, with the calls of tools and their results as templates for tools know them."""
    rows: list[dict[str, Any]] = []
    for message, row in zip(messages, turns(messages), strict=True):
        if isinstance(message, ToolMessage):
            told = {"role": "tool", "content": str(message.text), "tool_call_id": message.tool_call_id}
            rows.append({**told, "name": message.name} if message.name else told)
        elif isinstance(message, AIMessage) and message.tool_calls:
            calls = [
                {"type": "function", "id": call["id"], "function": {"name": call["name"], "arguments": call["args"]}}
                for call in message.tool_calls
            ]
            rows.append({**row, "tool_calls": calls})
        else:
            rows.append(row)
    return rows


def _defused(data: Any, tokenizer: Any) -> Any:
    """The same data with every text in it defused."""
    if isinstance(data, str):
        return defused(data, tokenizer)
    if isinstance(data, dict):
        return {key: _defused(value, tokenizer) for key, value in data.items()}
    return [_defused(value, tokenizer) for value in data] if isinstance(data, list | tuple) else data


def alternating(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The same conversation with the system's text in the user's and no two turns of one role in a row."""
    result: list[dict[str, str]] = []
    for row in rows:
        role = "user" if row["role"] == "system" else row["role"]
        if result and result[-1]["role"] == role:
            result[-1] = {"role": role, "content": f"{result[-1]['content']}\n\n{row['content']}"}
        else:
            result.append({"role": role, "content": row["content"]})
    if result and result[0]["role"] == "assistant":
        result.insert(0, {"role": "user", "content": ""})
    return result


def plain(rows: Sequence[dict[str, str]]) -> tuple[str, list[str]]:
    """A conversation for a model that was never taught any form of it."""
    labels = _PLAIN_LABELS[language_of("".join(row["content"] for row in rows))]
    parts = [labels.get(row["role"], "") + row["content"] for row in rows]
    stops = [f"\n{labels['user'].strip()}"]
    return "\n\n".join([*parts, labels["assistant"].rstrip()]), stops


def defused(text: str, tokenizer: Any) -> str:
    """A text with a zero-width space inside each control token, so that a document cannot end its own turn and speak as
    the system, and without characters that cannot be encoded.
    """
    text = clean_text(text)
    added = [token.content for token in getattr(tokenizer, "added_tokens_decoder", {}).values() if token.special]
    special = {*tokenizer.all_special_tokens, *added}
    if not (control := [token for token in special if len(token) > 2 and not token.isalnum()]):
        return text
    pattern = "|".join(re.escape(token) for token in sorted(control, key=len, reverse=True))
    return re.sub(pattern, lambda match: f"{match[0][0]}\u200b{match[0][1:]}", text)


def answer_ids(
    tokenizer: Any, messages: Sequence[BaseMessage], answer: str, stops: Sequence[int]
) -> tuple[list[int], list[int]]:
    """The ids that ask for an answer, and those of the answer itself with the one of `stops` at its end: what is
    trained, and what a reward is given for.

    As the template goes on where the conversation does: some put a line break before an answer, and some end it with
    the mark of the next speaker.
    """
    prompt = prompt_ids(tokenizer, messages, None, {})[0]
    whole = prompt_ids(tokenizer, [*messages, AIMessage(answer), HumanMessage(".")], None, {})[0]
    if whole[: len(prompt)] == prompt:
        rest = whole[len(prompt) :]
        end = next((at for at, id in enumerate(rest) if id in stops), None)
        if end is not None and tokenizer.decode(rest[:end], skip_special_tokens=True).split() == answer.split():
            return prompt, rest[: end + 1]
    own = tokenizer.eos_token_id
    plain = tokenizer(defused(answer, tokenizer), add_special_tokens=False)["input_ids"]
    return prompt, [*plain, own if own in stops else stops[0]]


def stops_of(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The ids at which a model stops to generate; none where it names none."""
    settings = getattr(model, "generation_config", None)
    ends = settings.eos_token_id if settings is not None else None
    ends = tokenizer.eos_token_id if ends is None else ends
    return tuple(ends) if isinstance(ends, list) else () if ends is None else (int(ends),)


def _parts(message: BaseMessage, text: str) -> list[dict[str, Any]]:
    """A message's content as parts that chat templates of image models know, with its text as the model may be given
    it.
    """
    content = message.content if isinstance(message.content, list) else []
    images = [part for part in content if isinstance(part, Mapping) and part.get("type") in _KINDS]
    return [*({"type": "image", "image": _decoded(part)} for part in images), {"type": "text", "text": text}]


def _decoded(part: Mapping[str, Any]) -> Any:
    said, data = _bytes_of(part)
    pillow = need("PIL.Image", install="pip install 'nacre-ai[vision]'")
    try:
        image = pillow.open(io.BytesIO(data), formats=_FORMATS)
        kind = str(image.get_format_mimetype())
        if image.width * image.height > _MOST_PIXELS:
            raise ValueError(tr("it is larger than {most} pixels", most=_MOST_PIXELS))
        if said and kind != said.replace("image/jpg", "image/jpeg"):
            raise ValueError(tr("it says that it is {said}, and is {kind}", said=said, kind=kind))
        return image.convert("RGB")
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        why = str(error)[:200] if isinstance(error, ValueError) else type(error).__name__
        told = tr("An image cannot be read: {error}. Send PNG, JPEG, WebP, GIF or BMP.", error=why)
        raise UnsupportedInputError(told) from error


def _bytes_of(part: Mapping[str, Any]) -> tuple[str, bytes]:
    """The type that an image is said to have, and its bytes."""
    said = str(part.get("mime_type") or "")
    url = part.get("image_url") or part.get("url") or ""
    url = url.get("url") if isinstance(url, Mapping) else url
    data = part.get("base64") or part.get("data") or ""
    if isinstance(url, str) and url.startswith("data:"):
        head, _, data = url.partition(",")
        said = head.removeprefix("data:").partition(";")[0]
    elif not data:
        told = tr("A local model fetches no images from addresses. Send the image itself, as data:image/png;base64,…")
        raise UnsupportedInputError(told)
    try:
        return said, base64.b64decode(str(data), validate=True)
    except ValueError as error:
        raise UnsupportedInputError(tr("An image is no base64. Encode it anew.")) from error
