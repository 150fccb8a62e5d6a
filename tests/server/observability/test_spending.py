"""Limits in money: what is charged, when a key is refused, and that nothing is free because nobody said what it costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from nacre import NacreError
from nacre.server.auth.keys import Keys, SpendLimit, User
from nacre.server.auth.limits import Limits, cost, period_began, period_ends, spent
from nacre.server.openai.errors import Problem
from nacre.server.records import Records
from nacre.server.settings import Price
from nacre.system.sqlite import Database

PRICES = {"currency": "USD", "models": {"scripted": {"input": "100", "output": "1000"}}}
ASKED: dict[str, Any] = {"model": "nacre", "messages": [{"role": "user", "content": "When does the workshop open?"}]}


def counted(messages: Any, n: int) -> AIMessage:
    """A model that counts: 1,000 tokens read, 500 written, so 0.60 USD."""
    usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
    return AIMessage("The workshop opens at nine in the morning [1].", usage_metadata=usage)


def rows(server: Any) -> list[dict[str, Any]]:
    return server.state.records.select("spend")


def test_the_openai_sdk_is_told_when_the_money_is_spent_and_a_restart_forgets_nothing(serve):
    server = serve(counted, prices=PRICES)
    key = server.state.keys.add("poor", spend_limit=SpendLimit.parse("1.00/day"))
    rich = server.state.keys.add("rich", spend_limit=SpendLimit.parse("10/month"))
    client = server.openai(key)
    client.chat.completions.create(**ASKED)
    assert [row["nanos"] for row in rows(server)] == [600_000_000]
    assert "".join(
        chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**ASKED, stream=True)
    )
    client.close()
    again = serve(counted, prices=PRICES).openai(key)
    with pytest.raises(openai.RateLimitError) as refused:
        again.chat.completions.create(**ASKED)
    assert refused.value.code == "insufficient_quota" and "1.00 USD" in refused.value.message
    assert 0 < int(refused.value.response.headers["retry-after"]) <= 86_400
    again.close()
    other = server.openai(rich)
    other.responses.create(model="nacre", input="When does the workshop open?", store=False)
    other.close()
    names = {entry["id"]: entry["name"] for entry in server.state.keys.all()}
    assert [names[row["asker"]] for row in rows(server)] == ["poor", "poor", "rich"]
    figures = httpx.get(f"{server.url}/metrics", headers={"authorization": f"Bearer {rich}"}).text
    told = figures.partition('nacre_spend_total{currency="USD",model="scriptedchatmodel:scripted"} ')[2]
    assert float(told.split()[0]) == pytest.approx(1.8)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_model_that_counts_nothing_is_charged_by_an_estimate(serve, streamed):
    server = serve(lambda messages, n: AIMessage("Nine [1]."), prices=PRICES)
    httpx.post(f"{server.url}/v1/chat/completions", json={**ASKED, "stream": streamed})
    (row,) = rows(server)
    assert row["input"] > 0 and row["output"] > 0 and row["nanos"] > 0


def test_a_client_that_leaves_pays_for_what_was_said(serve):
    server = serve(lambda messages, n: "The workshop opens at nine. " * 40, delay_s=0.02, prices=PRICES)
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", json={**ASKED, "stream": True}) as answer:
        for _, line in zip(range(20), answer.iter_lines(), strict=False):
            assert line is not None
    for _ in range(200):
        if rows(server):
            break
        time.sleep(0.02)
    (row,) = rows(server)
    assert 0 < row["output"] < 400 and row["input"] > 0


def test_a_client_that_leaves_before_a_whole_answer_pays_for_the_question(serve):
    server = serve(
        lambda messages, n: "The workshop opens at nine.",
        delay_s=0.6,
        prices=PRICES,
        stacks={"bare": {"layers": []}, "nacre": {"layers": ["rag"]}},
    )
    for model in ("bare", "nacre"):
        for streamed in (False, True):
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(
                    f"{server.url}/v1/chat/completions", json={**ASKED, "model": model, "stream": streamed}, timeout=0.4
                )
    for _ in range(300):
        if len(rows(server)) == 4:
            break
        time.sleep(0.02)
    assert [row["input"] > 0 for row in rows(server)] == [True] * 4
    assert {row["status"] for row in server.state.records.select("audit")} == {"cancelled"}


def test_a_model_that_refuses_costs_nothing(serve):
    server = serve(lambda messages, n: ConnectionError("no"), prices=PRICES)
    assert httpx.post(f"{server.url}/v1/chat/completions", json=ASKED).status_code >= 500
    assert rows(server) == []


def test_every_call_of_an_agent_is_charged(serve):
    def reply(messages: Any, n: int) -> AIMessage:
        usage = {"input_tokens": 1000, "output_tokens": 0, "total_tokens": 1000}
        if n == 0:
            return AIMessage(
                "",
                tool_calls=[{"name": "search_knowledge_base", "args": {"query": "opening"}, "id": "c1"}],
                usage_metadata=usage,
            )
        return AIMessage("It opens at nine [1].", usage_metadata=usage)

    server = serve(reply, prices=PRICES)
    httpx.post(f"{server.url}/v1/chat/completions", json={**ASKED, "model": "nacre-agent"})
    assert [row["nanos"] for row in rows(server)] == [100_000_000] * 2


def test_without_prices_a_limited_key_is_served_nothing(serve, folder):
    server = serve(counted)
    key = server.state.keys.add("late", spend_limit=SpendLimit.parse("1/day"))  # made while the server runs
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=ASKED, headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "model_without_price"
    assert "scriptedchatmodel:scripted" in answer.json()["error"]["message"]
    assert server.app.state.nacre.served._leaves and all(
        not leaf.calls for leaf in server.state.served._leaves.values()
    )
    with pytest.raises(NacreError, match=r"late.*scriptedchatmodel:scripted"):
        serve(counted)
    elsewhere = {"models": {"someone:else": {"input": 1, "output": 1}}}
    with pytest.raises(NacreError, match="scripted"):
        serve(counted, prices=elsewhere)


def test_a_fallbacks_other_models_need_a_price_too(serve):
    stacks = {"nacre": {"layers": ["rag", {"use": "fallback", "others": ["ollama:qwen3"]}]}}
    keys = Keys(serve(counted).settings.store)
    keys.add("poor", spend_limit=SpendLimit.parse("1/day"))
    keys.close()
    with pytest.raises(NacreError, match="ollama:qwen3"):
        serve(counted, prices=PRICES, stacks=stacks)
    both = {"models": {**PRICES["models"], "ollama:qwen3": {"input": 0, "output": 0}}}
    serve(counted, prices=both, stacks=stacks)


def test_the_command_line_makes_and_lists_limited_keys(folder: Path, tmp_path: Path):
    nacre = [str(Path(sys.executable).with_name("nacre")), "keys"]
    config = tmp_path / "nacre.yaml"
    config.write_text("kb: ./kb\nmodel: quote\n")
    environment = {**os.environ, "NACRE_LANG": "en"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*nacre, *words, "--config", str(config)], env=environment, capture_output=True, text=True, check=False
        )

    assert "prices" in run("add", "anna", "--spend-limit", "5.00/day").stderr
    config.write_text(
        "kb: ./kb\nmodel: quote\nprices:\n  currency: CNY\n  models:\n    dashscope:qwen-plus: {input: 0.8, output: 2}\n"
    )
    assert "5/week" in run("add", "anna", "--spend-limit", "5/week").stderr
    assert run("add", "anna", "--spend-limit", "5.00/day").returncode == 0
    store = Keys(folder / "server")
    (number,) = (row["id"] for row in store.all())
    store.close()
    records = Records(folder / "server")
    records.insert(
        "spend",
        {
            "at": time.time(),
            "asker": number,
            "model": "m",
            "currency": "CNY",
            "input": 1,
            "output": 1,
            "nanos": 1_500_000_000,
        },
    )
    records.close()
    assert "spent 1.5000 CNY / 5.00/day" in " ".join(run("list").stdout.split())
    (row,) = json.loads(run("list", "--json").stdout)["keys"]
    assert row["spent"] == 1.5 and row["spend_limit"] == "5.00/day"
    config.write_text("kb: ./kb\nprices:\n  models:\n    m: {input: -1, output: 2}\n")
    assert f"{config}:4" in run("list").stderr


def test_keys_of_an_older_server_are_kept(tmp_path: Path):
    old = "create table keys (id text primary key, name text not null unique, hash text not null unique, principals text not null, read_only integer not null, per_minute integer, tokens_per_day integer, created real not null);"
    database = Database(tmp_path / "keys.sqlite", old)
    database.execute("insert into keys values ('1', 'anna', 'h', 'null', 0, 5, null, 1.0)")
    database.close()
    keys = Keys(tmp_path)
    assert keys.all()[0]["spend_limit"] is None and keys.find(
        keys.add("ben", spend_limit=SpendLimit.parse("2/day"))
    ).spend_limit == SpendLimit(Decimal(2), "day")
    keys.close()


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.decimals("0", "10000", places=4))
def test_no_call_with_a_price_is_rounded_away(read, written, price):
    nanos = cost(Price(input=price, output=price), read, written)
    assert abs(nanos - (read + written) * price * 1000) <= Decimal("0.5")


@pytest.mark.parametrize(
    "text", ["", "5", "5/week", "-1/day", "1e3/day", "0/day", "5/day/day", "∞/day", "5.1234567/day"]
)
def test_what_is_no_limit(text):
    with pytest.raises(NacreError):
        SpendLimit.parse(text)


@given(st.integers(0, 4 * 10**9), st.sampled_from(["day", "month"]))
def test_a_moment_is_in_its_period_and_periods_join(now, period):
    began, ends = period_began(period, now), period_ends(period, now)
    assert began <= now < ends and period_began(period, ends) == ends
    gone = time.gmtime(began)
    assert (gone.tm_hour, gone.tm_min, gone.tm_sec) == (0, 0, 0) and (period == "day" or gone.tm_mday == 1)


def test_yesterdays_money_and_other_currencies_do_not_count(tmp_path: Path):
    records = Records(tmp_path)
    row = {"asker": "a", "model": "m", "input": 1, "output": 1, "nanos": 10**9}
    records.insert("spend", {**row, "at": period_began("day") - 1, "currency": "USD"})
    records.insert("spend", {**row, "at": time.time(), "currency": "EUR"})
    assert spent(records, "a", "USD", "day") == 0
    records.insert("spend", {**row, "at": time.time(), "currency": "USD"})
    assert spent(records, "a", "USD", "day") == 1
    records.close()


def test_a_rate_holds_over_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two servers with one data folder are two connections to one file."""
    monkeypatch.setattr("nacre.server.auth.limits.time.time", lambda: 1e9)
    both = [Records(tmp_path), Records(tmp_path)]
    limits, asker, taken = [Limits(records) for records in both], User("a", "a", per_minute=20), []

    def ask(limit: Limits) -> None:
        for _ in range(30):
            try:
                limit.take(asker)
            except Problem as problem:
                assert problem.status == 429 and problem.retry_after_s and problem.retry_after_s <= 4
            else:
                taken.append(1)

    threads = [threading.Thread(target=ask, args=(limit,)) for limit in limits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 20
    for records in both:
        records.close()


def test_a_clock_that_goes_back_gives_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    records = Records(tmp_path)
    limits, asker = Limits(records), User("a", "a", per_minute=1)
    limits.take(asker)
    for shift in (-3600, -7200):
        monkeypatch.setattr("nacre.server.auth.limits.time.time", lambda shift=shift: time.time_ns() / 1e9 + shift)
        with pytest.raises(Problem):
            limits.take(asker)
    records.close()
