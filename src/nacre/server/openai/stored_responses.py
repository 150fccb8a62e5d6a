"""Items of `/v1/responses` as messages of a chat, approvals that a run waits for, and responses that are kept, for a
conversation to go on from: of a key alone, for so many days and bytes.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from nacre.agents.approval import Decision
from nacre.server.openai.errors import Problem, not_found
from nacre.server.openai.output import Page
from nacre.server.records import new_id
from nacre.server.state import Reading, RequestContext, State
from nacre.system.sqlite import Statement
from nacre.text.language import tr
from nacre.text.strict_json import to_json

Item = dict[str, Any]
_PREFIX = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}
router = APIRouter(prefix="/v1")
_DAY_S = 86_400
_LONGEST = 1_000
_CHAIN = """
with recursive chain(id, previous, record, depth) as (
    select id, previous, record, 0 from responses where id = ? and owner = ? and used >= ?
    union all
    select r.id, r.previous, r.record, depth + 1 from responses r join chain on r.id = chain.previous
    where r.owner = ? and depth < ?)
select id, previous, record from chain order by depth desc
"""
_TOO_MANY = """
delete from responses where id in (
    select id from (select id, sum(bytes) over (order by used desc, rowid desc) as total from responses where owner = ?)
    as sums where total > ? and id != ?)
"""


def items_of(given: str | Sequence[Item]) -> list[Item]:
    """The input of a request as items, each with an id and its content in parts."""
    return [_item({"role": "user", "content": given})] if isinstance(given, str) else [_item(item) for item in given]


def _item(given: Item) -> Item:
    kind = str(given.get("type") or "message")
    if kind == "item_reference":
        told = tr("An item cannot be named by its id here: send the item itself, or previous_response_id.")
        raise Problem(400, told, "unsupported_parameter", "input")
    number = given.get("id")
    head = {"id": number if isinstance(number, str) and number else new_id(_PREFIX.get(kind, "item")), "type": kind}
    if kind != "message":
        return {**given, **head}
    content, role = given.get("content"), str(given.get("role") or "user")
    if not isinstance(content, list):
        content = [
            {
                "type": "output_text" if role == "assistant" else "input_text",
                "text": content if isinstance(content, str) else "",
            }
        ]
    return {"status": "completed", **given, **head, "role": role, "content": content}


def messages_of_items(items: Sequence[Item], instructions: str | None) -> list[dict[str, Any]]:
    """Items as messages of a chat completion."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": instructions}] if instructions else []
    for item in items:
        kind = item["type"]
        if kind == "function_call":
            call = {"name": str(item.get("name")), "arguments": item.get("arguments")}
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": ""})
            messages[-1].setdefault("tool_calls", []).append(
                {"id": item.get("call_id"), "type": "function", "function": call}
            )
        elif kind == "function_call_output":
            messages.append(
                {"role": "tool", "tool_call_id": str(item.get("call_id")), "content": _text(item.get("output"))}
            )
        elif kind == "message":
            messages.append({"role": item["role"], "content": _parts(item["content"])})
    return messages


def _parts(content: list[Any]) -> Any:
    images = [part for part in content if isinstance(part, dict) and part.get("type") == "input_image"]
    if not images:
        return _text(content)
    return [
        {"type": "text", "text": _text(content)},
        *({"type": "image_url", "image_url": {"url": part.get("image_url")}} for part in images),
    ]


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else to_json(content, ensure_ascii=False)


def requests_of(own: Mapping[str, Any]) -> list[Item]:
    """One request for all calls that wait together."""
    calls = own.get("pending") or []
    if not calls:
        return []
    given = calls[0]["arguments"] if len(calls) == 1 else [call["arguments"] for call in calls]
    return [
        {
            "type": "mcp_approval_request",
            "id": own["run_id"],
            "server_label": "nacre",
            "name": ", ".join(call["tool"] for call in calls),
            "arguments": to_json(given, ensure_ascii=False),
        }
    ]


def decision_of(items: Sequence[Item]) -> tuple[str, Decision] | None:
    """The run that a request decides, and how; None where it is a question."""
    found = [item for item in items if item["type"] == "mcp_approval_response"]
    if not found:
        return None
    if len(items) != 1:
        told = tr("A decision goes alone: one mcp_approval_response, and no message.")
        raise Problem(400, told, "invalid_value", "input")
    answer = found[0]
    run_id, approve = answer.get("approval_request_id"), answer.get("approve")
    if not isinstance(run_id, str) or not isinstance(approve, bool):
        said = tr("An mcp_approval_response needs approval_request_id, a text, and approve, true or false.")
        raise Problem(400, said, "invalid_value", "input")
    return run_id, approve or str(answer.get("reason") or "") or False


def asked_by(context: RequestContext, model: str, run_id: str) -> str:
    """The question of a run that waits for this asker, in a stack that can go on with it."""
    if not context.state.served.acts(model):
        told = tr("The model {model!r} has no agent that could go on.", model=model)
        raise Problem(400, told, "invalid_value", "model")
    return str(context.state.served.runs.look(run_id, context.user.id)["question"])


def keeps(state: State, store: bool | None, previous: str | None) -> bool:
    """Whether a response is kept: as the request says, or the conversation that it goes on, or the settings."""
    server = state.settings.server
    wanted = store if store is not None else server.store_responses or previous is not None
    return wanted and server.response_days > 0


def keep(context: RequestContext, response: dict[str, Any], items: list[Item]) -> None:
    """Keep a response; those that are too old go, and the key's oldest where it has no room left."""
    record = to_json({"response": response, "input": items}, ensure_ascii=False).encode("utf-8", "replace")
    number, owner, state = response["id"], context.user.id, context.state
    row = (number, owner, response["previous_response_id"], time.time(), len(record), record)
    with state.records.db.write() as db:
        db.execute("insert into responses (id, owner, previous, used, bytes, record) values (?, ?, ?, ?, ?, ?)", row)
        db.execute(*too_old(state))
        db.execute(_TOO_MANY, (owner, state.settings.server.responses_mb << 20, number))


def too_old(state: State) -> Statement:
    """The statement that forgets responses that have not been used for the days of the settings."""
    return "delete from responses where used < ?", (_since(state),)


def conversation(context: RequestContext, response: str) -> list[Item]:
    """All that was said up to a response, and with it; its days begin anew."""
    owner, since = context.user.id, _since(context.state)
    chain = context.state.records.db.read(_CHAIN, (response, owner, since, owner, _LONGEST))
    missing = response if not chain else chain[0][1]
    if missing:
        told = tr(
            "Previous response with id {missing!r} not found: it was not stored, or has expired or was deleted. Send "
            "the whole conversation as input.",
            missing=missing,
        )
        raise Problem(404, told, "previous_response_not_found", "previous_response_id")
    marks = ", ".join("?" * len(chain))
    context.state.records.change(
        f"update responses set used = ? where id in ({marks})", time.time(), *(number for number, _, _ in chain)
    )
    records = [json.loads(record) for _, _, record in chain]
    return [item for record in records for item in (*record["input"], *record["response"]["output"])]


def _since(state: State) -> float:
    return time.time() - state.settings.server.response_days * _DAY_S


def _record(context: RequestContext, response: str) -> dict[str, Any]:
    fits = "id = ? and owner = ? and used >= ?"
    row = context.state.records.one("responses", fits, response, context.user.id, _since(context.state))
    if row is None:
        raise not_found(response)
    found: dict[str, Any] = json.loads(row["record"])
    return found


@router.get("/responses/{response}")
def retrieve(context: Reading, response: str, stream: bool = False) -> dict[str, Any]:
    """A response that was kept."""
    if stream:
        told = tr("A stored response is done: read it without `stream`.")
        raise Problem(400, told, "unsupported_parameter", "stream")
    found: dict[str, Any] = _record(context, response)["response"]
    return found


@dataclass
class ItemPage(Page):
    """Which part of a list of items is wanted; at most 100 at once, as OpenAI has it."""

    limit: Annotated[int, Query(ge=1, le=100)] = 20


@router.get("/responses/{response}/input_items")
def input_items(context: Reading, response: str, page: Annotated[ItemPage, Depends(ItemPage)]) -> dict[str, Any]:
    """What a response was made from: the conversation before it, and the input of its request."""
    record = _record(context, response)
    previous = record["response"]["previous_response_id"]
    earlier = conversation(context, previous) if previous else []
    return page.of([*earlier, *record["input"]])


@router.delete("/responses/{response}")
def delete(context: Reading, response: str) -> dict[str, Any]:
    """Forget a response; conversations that go on from it cannot go on."""
    _record(context, response)
    context.state.records.change("delete from responses where id = ? and owner = ?", response, context.user.id)
    return {"id": response, "object": "response", "deleted": True}
