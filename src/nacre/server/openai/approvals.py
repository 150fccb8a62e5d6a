"""Runs that wait for a person, as items of `/v1/responses`: a request for approval goes out, a decision comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nacre.agents.approval import Decision
from nacre.server.dependencies import RequestContext
from nacre.server.openai.errors import Problem
from nacre.server.openai.response_items import Item
from nacre.text.language import tr
from nacre.text.strict_json import to_json


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
        raise Problem(
            400, tr("A decision goes alone: one mcp_approval_response, and no message."), "invalid_value", "input"
        )
    answer = found[0]
    run_id, approve = answer.get("approval_request_id"), answer.get("approve")
    if not isinstance(run_id, str) or not isinstance(approve, bool):
        said = tr("An mcp_approval_response needs approval_request_id, a text, and approve, true or false.")
        raise Problem(400, said, "invalid_value", "input")
    return run_id, approve or str(answer.get("reason") or "") or False


def asked_by(context: RequestContext, model: str, run_id: str) -> str:
    """The question of a run that waits for this asker, in a stack that can go on with it."""
    if not context.state.served.acts(model):
        raise Problem(
            400, tr("The model {model!r} has no agent that could go on.", model=model), "invalid_value", "model"
        )
    return str(context.state.served.runs.look(run_id, context.user.id)["question"])
