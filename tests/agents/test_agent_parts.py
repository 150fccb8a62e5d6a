"""What stands around the loop: strategies, the text protocol for create_agent, the terminal, tools by name, evaluation."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool
from rich.console import Console

from nacre import ChainOfThought, ReAct, Retry, ScriptedChatModel, SelfConsistency
from nacre.agents.budget import Budget
from nacre.agents.middleware import TextProtocol
from nacre.agents.tools.knowledge import knowledge_tool
from nacre.agents.trajectory import Step
from nacre.agents.window import Turn, clip, fit
from nacre.cli.agent_display import render_step, show_agent, trajectory_data
from nacre.errors import EvaluationError, UsageError
from nacre.eval.react import evaluate_react, normalise_answer, replay, replay_report
from nacre.layers.react_strategies import ReActThenVote, VoteThenReAct
from nacre.tools import make_tools


@tool
def search(query: str) -> str:
    """Search."""
    return "8611 m"


class Leaves(BaseRetriever):
    """Finds the same passage for every question, for one principal only."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any, **kwargs: Any) -> list[Document]:
        text = "Annual leave is 15 days. 员工年假为15天。"
        return (
            [Document(page_content=text, metadata={"uri": "hr.md", "title": "Handbook", "start": 40, "chunk_id": "c1"})]
            if "leave" in query or "年假" in query
            else []
        )


def own(reply: AIMessage) -> dict[str, Any]:
    return reply.response_metadata["nacre"]


def test_react_hands_over_to_the_vote_when_its_steps_run_out() -> None:
    wandering = ScriptedChatModel(lambda messages, n: f"Action: search[{n}]")
    vote = SelfConsistency(
        inner=ChainOfThought(inner=ScriptedChatModel(lambda messages, n: f"So.\nAnswer: {5 if n % 3 else 7}")),
        samples=5,
    )
    reply = ReActThenVote(inner=ReAct(inner=wandering, tools=[search], max_steps=3), vote=vote).invoke("How many?")
    assert (reply.text, own(reply)["strategy"], own(reply)["stopped"]) == ("5", "vote", "steps")
    assert len(wandering.calls) == 3 and len(own(reply)["trajectory"]) == 4


def test_react_keeps_its_own_answer() -> None:
    sure = ReAct(inner=ScriptedChatModel(["Final Answer: 8611 m"]), tools=[search])
    reply = ReActThenVote(inner=sure, vote=ScriptedChatModel([])).invoke("How high?")
    assert (reply.text, own(reply)["strategy"]) == ("8611 m", "react")


def test_react_under_a_layer_hands_over_too_and_what_is_no_agent_is_refused() -> None:
    wandering = ScriptedChatModel(lambda messages, n: f"Action: search[{n}]")
    agent = Retry(inner=ReAct(inner=wandering, tools=[search], max_steps=2))
    reply = ReActThenVote(inner=agent, vote=ScriptedChatModel(["5"])).invoke("How many?")
    assert (reply.text, own(reply)["stopped"], len(wandering.calls)) == ("5", "steps", 2)
    for no_agent in (ScriptedChatModel([]), Retry(inner=ScriptedChatModel([]))):
        with pytest.raises(UsageError, match="ReActThenVote: inner is"):
            ReActThenVote(inner=no_agent, vote=ScriptedChatModel([]))


@pytest.mark.parametrize(("answers", "strategy"), [("aaab", "vote"), ("aabb", "vote"), ("abcd", "react")])
def test_the_vote_hands_over_to_react_below_one_half(answers: str, strategy: str) -> None:
    vote = SelfConsistency(inner=ScriptedChatModel(lambda messages, n: f"Answer: {answers[n]}"), samples=4)
    react = ReAct(inner=ScriptedChatModel(["Final Answer: by acting"]), tools=[search])
    assert own(VoteThenReAct(inner=vote, react=react).invoke("Which?"))["strategy"] == strategy


def test_create_agent_works_with_a_model_that_only_writes_text() -> None:
    create_agent = pytest.importorskip("langchain.agents").create_agent
    model = ScriptedChatModel(
        [
            "Thought: look\nAction: search\nAction Input: height of K2",
            "hm\nThought: what",
            "Thought: known\nFinal Answer: 8611 m",
        ]
    )
    result = create_agent(TextProtocol(inner=model), [search]).invoke({"messages": [HumanMessage("How high is K2?")]})
    assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]
    assert (
        result["messages"][1].tool_calls[0]["args"] == {"query": "height of K2"}
        and result["messages"][-1].text == "8611 m"
    )
    sent = model.calls[1]
    assert not any(isinstance(message, ToolMessage) for message in sent) and sent[-1].text.startswith(
        "Observation: <data key="
    )
    assert model.call_kwargs[0]["stop"] and "tools" not in model.call_kwargs[0]


def test_an_agent_that_would_refuse_looks_first_and_cites() -> None:
    import nacre

    agent = ReAct(inner=nacre.load_model("quote"), tools=[knowledge_tool(Leaves())])
    for question, words in (
        ("How many days of annual leave are there?", "Annual leave is 15 days."),
        ("员工年假有几天？", "员工年假为15天。"),
    ):
        reply = agent.invoke(question)
        (citation, *_) = own(reply)["citations"]
        assert (
            words in reply.text
            and citation["quote"] in "Annual leave is 15 days. 员工年假为15天。"
            and citation["start"] >= 40
        )
        assert [step["action"] for step in own(reply)["trajectory"]] == ["search_knowledge_base", "finish"]


def test_sources_keep_their_numbers_through_a_run() -> None:
    model = ScriptedChatModel(
        [
            "Action: search_knowledge_base[annual leave]",
            "Action: search_knowledge_base[sick leave]",
            "Final Answer: 15 days [1], not [2].",
        ]
    )
    reply = ReAct(inner=model, tools=[knowledge_tool(Leaves())]).invoke("Leave?")
    assert reply.text == "15 days [1], not." and [hit["n"] for hit in own(reply)["hits"]] == [1]


def test_steps_are_shown_in_eighty_columns() -> None:
    script = [
        "Thought: " + "think " * 60 + "\nAction: search\nAction Input: [b]bold[/b] " + "词" * 300,
        "Action: nope[x]",
        "Final Answer: \x1b[31mred",
    ]
    out = io.StringIO()
    console = Console(file=out, width=80)
    reply = show_agent(ReAct(inner=ScriptedChatModel(script), tools=[search]), "hi", console)
    text = out.getvalue()
    from rich.cells import cell_len

    assert max(cell_len(line) for line in text.split("\n")) <= 80
    assert "[b]bold[/b]" in text and "\x1b" not in text and "8611 m" in text and "2 →" in text
    assert [set(row) >= {"thought", "action", "input", "observation"} for row in trajectory_data(reply)] == [True] * 3
    assert trajectory_data(AIMessage("plain")) == []
    assert render_step(Step(status="repair"), 1) is not None


def test_tools_by_name(tmp_path: Path) -> None:
    assert [made.name for made in make_tools(["python", "wikipedia:zh", "web", "page", search])] == [
        "python",
        "wikipedia_search",
        "wikipedia_lookup",
        "web_search",
        "read_page",
        "search",
    ]
    for wrong in (["kb"], ["teleport"], ["web2:x"]):
        with pytest.raises(UsageError):
            make_tools(wrong)


def test_the_window_keeps_the_newest_turns_and_shortens_the_older() -> None:
    turns = [Turn((Step(action="search", action_input=str(n), observation="o" * 2000),)) for n in range(50)]
    kept, left_out = fit(turns, 2000)
    assert kept[-1].steps[0].observation == "o" * 2000 and left_out + len(kept) == 50
    assert len(kept[0].steps[0].observation or "") < 400
    assert fit(turns, 10)[0], "the last turn is always shown"
    assert len(clip("x" * 10_000, 100)) < 160


def test_a_budget_counts_for_all_above_it() -> None:
    above = Budget(3)
    below = Budget(10, parent=above)
    below.add(steps=3)
    assert below.exhausted() == "steps" and above.steps == 3
    assert Budget(5, seconds=100, parent=Budget(5, seconds=1)).seconds_left() <= 1


def test_replay_of_published_runs_agrees_with_what_was_published(shared_data: Path) -> None:
    files = sorted((shared_data / "react").glob("*.jsonl"))
    assert files
    for file in files:
        result = replay(file)
        assert result["parsed"] >= 0.99 and result["agreement"] >= 0.99, (file.name, result)
    assert replay(shared_data / "react" / "fever_react_davinci002.jsonl")["em"] == pytest.approx(0.532)
    assert replay(shared_data / "react" / "hotpot_fireact_llama2_13b.jsonl")["em"] == pytest.approx(0.340)


def test_replay_of_a_file(tmp_path: Path) -> None:
    rows = [
        {
            "id": "1",
            "question": "q",
            "answer": "The Moon.",
            "published_correct": True,
            "trajectory": "Thought 1: a\nAction 1: Search[x]\nObservation 1: y\nThought 2: b\nAction 2: Finish[moon]\nObservation 2: done",
        },
        {
            "id": "2",
            "question": "q",
            "answer": "sun",
            "published_correct": False,
            "trajectory": "Thought 1: a\nAction 1:\nObservation 1: wrong",
        },
    ]
    file = tmp_path / "runs.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    seen: list[tuple[int, int]] = []
    report = replay_report(file, on_progress=lambda done, total: seen.append((done, total)))
    summary = report.summary()
    assert (summary["em"], summary["agreement"], summary["rows"], summary["steps"]) == (0.5, 1.0, 2, 3)
    assert summary["parsed"] == pytest.approx(2 / 3, abs=1e-4) and seen == [(1, 2), (2, 2)]
    assert normalise_answer("The  U.S. Moon!") == "us moon"
    for content in ("", "{}", "not json"):
        file.write_text(content, "utf-8")
        with pytest.raises(EvaluationError):
            replay(file)
    with pytest.raises(EvaluationError):
        replay(tmp_path / "none.jsonl")


def test_a_live_run_over_a_local_corpus(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "d1", "title": "K2", "text": "K2 is 8611 metres high."}\n{"_id": "d2", "title": "Nile", "text": "The Nile is a river."}',
        "utf-8",
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "How high is K2?"}', "utf-8")
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n", "utf-8")
    (tmp_path / "answers.jsonl").write_text('{"_id": "q1", "answers": ["8611 metres"]}', "utf-8")
    model = ScriptedChatModel(["Action: search[height of K2]", "Final Answer: 8611 metres [1]"])
    report = evaluate_react(tmp_path, model)
    (item,) = report.items
    assert (item["em"], item["tool_calls"], report.figures["queries"]) == (1.0, 1, 1), item
    assert "8611" in item["trajectory"][0]["observation"]
