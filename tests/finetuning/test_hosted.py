"""Services on the loopback: what leaves is said first, and one job is paid for, whatever happens to the connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nacre import cli
from nacre.errors import FinetuningError, MissingKeyError
from nacre.finetuning.hosted import STATE, Service, is_hosted
from nacre.finetuning.plan import Plan

Rows = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]


class Tuning:
    """A fine-tuning service that plays a script of statuses."""

    def __init__(self, dialect: str) -> None:
        self.dialect, self.files, self.jobs = dialect, [], []  # type: ignore[var-annotated]
        self.statuses = ["queued", "running", "succeeded"]
        self.cut, self.refuse, self.hide, self.cancelled = "", 0, False, False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.keys = self.headers["authorization"]
                if self.path.endswith("/files"):
                    outer.files.append(body.decode())
                    return self.say({"id": f"file-{len(outer.files)}"})
                if self.path.endswith("/cancel"):
                    outer.cancelled = True
                    return self.say(outer.told(outer.jobs[-1], "cancelled"))
                if outer.refuse:
                    return self.say({"error": {"message": "permission denied"}}, outer.refuse)
                outer.jobs.append(json.loads(body))
                if outer.cut == "create":
                    outer.cut = ""
                    return self.drop()
                return self.say(outer.told(outer.jobs[-1], "queued"))

            def do_GET(self) -> None:
                if outer.cut == "list" or outer.cut == "poll":
                    return self.drop()
                if self.path.endswith(("/fine_tuning/jobs", "/fine-tunes")):
                    jobs = [] if outer.hide else [outer.told(job, "queued") for job in outer.jobs]
                    whole = (
                        {"output": {"jobs": [job["output"] for job in jobs]}}
                        if outer.dialect == "dashscope"
                        else {"data": jobs}
                    )
                    return self.say(whole)
                status = outer.statuses.pop(0) if len(outer.statuses) > 1 else outer.statuses[0]
                return self.say(outer.told(outer.jobs[-1], status))

            def drop(self) -> None:
                self.close_connection = True
                self.connection.close()

            def say(self, data: Any, status: int = 200) -> None:
                body = json.dumps(data).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.handle_error = lambda *args: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def told(self, job: dict[str, Any], status: str) -> dict[str, Any]:
        number = f"job-{self.jobs.index(job) + 1}"
        if self.dialect == "dashscope":
            return {"output": {"job_id": number, "status": status.upper(), "finetuned_output": "qwen3-ft", "message": "out of credit",
                               "finetuned_output_suffix": job["finetuned_output_suffix"]}}  # fmt: skip
        return {"id": number, "status": status, "fine_tuned_model": "ft:glm:1", "error": {"message": "out of credit"}, "user_provided_suffix": job["suffix"]}  # fmt: skip

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Tuning]]:
    begun: list[Tuning] = []

    def go(dialect: str) -> Tuning:
        begun.append(Tuning(dialect))
        monkeypatch.setenv(
            {"openai": "OPENAI", "zhipu": "ZHIPUAI", "dashscope": "DASHSCOPE"}[dialect] + "_API_KEY", "test-key"
        )
        return begun[-1]

    yield go
    for service in begun:
        service.close()


@pytest.fixture
def plan(some_rows: Rows, write_rows: Write, tmp_path: Path) -> Callable[..., Plan]:
    def make(server: Tuning, form: str = "answers", **settings: Any) -> Plan:
        data = write_rows(some_rows(form, 40))
        return Plan(base=f"{server.dialect}:small@{server.url}", data=str(data), out=str(tmp_path / "out"), **settings)

    return make


@pytest.mark.parametrize("dialect", ["openai", "zhipu", "dashscope"])
def test_one_job_is_made_waited_for_and_named(serve: Any, plan: Any, dialect: str) -> None:
    server, said = serve(dialect), []
    service = Service(plan(server), price=5.0)
    leaving = service.leaving
    assert leaving.rows == 40 and leaving.host == "127.0.0.1" and leaving.documents == 40
    assert leaving.cost == pytest.approx(5e-6 * 3 * leaving.tokens)
    spec = service.run(every_s=0, on_progress=said.append)
    assert spec == f"{dialect}:{'qwen3-ft' if dialect == 'dashscope' else 'ft:glm:1'}"
    assert said == ["queued", "running", "succeeded"] and server.keys == "Bearer test-key"
    (job,) = server.jobs
    assert "file-1" in json.dumps(job) and job["model"] == "small"
    rows = [json.loads(line) for line in server.files[0].splitlines() if line.startswith("{")]
    assert len(rows) == 40 and all(set(row) == {"messages"} for row in rows)  # nothing that only we know
    card = json.loads((service.plan.folder / "nacre.json").read_text())
    assert card["kind"] == "hosted" and card["spec"] == spec
    assert is_hosted(service.plan.base) and not is_hosted("transformers:x") and not is_hosted("folder/of/mine")


def test_pairs_go_in_the_form_of_each_service(serve: Any, plan: Any) -> None:
    for dialect, fields in (
        ("openai", {"input", "preferred_output", "non_preferred_output"}),
        ("dashscope", {"messages", "chosen", "rejected"}),
    ):
        server = serve(dialect)
        Service(plan(server, "pairs", method="dpo"))._upload()
        assert set(json.loads(next(line for line in server.files[0].splitlines() if line.startswith("{")))) == fields


def test_a_connection_lost_while_the_job_is_made_makes_no_second(serve: Any, plan: Any) -> None:
    server = serve("zhipu")
    server.cut = "create"
    assert Service(plan(server)).run(every_s=0) == "zhipu:ft:glm:1"
    assert len(server.jobs) == 1 and len(server.files) == 1


def test_a_job_that_is_not_listed_yet_is_looked_for_again(serve: Any, plan: Any) -> None:
    server = serve("dashscope")
    server.cut, server.hide = "create", True
    with pytest.raises(FinetuningError, match="--resume"):
        Service(plan(server)).run(every_s=0)
    server.cut = "list"
    with pytest.raises(FinetuningError, match="second job would be paid for"):
        Service(plan(server)).run(resume=True, every_s=0)
    server.cut, server.hide = "", False
    assert Service(plan(server)).run(resume=True, every_s=0) == "dashscope:qwen3-ft"
    assert len(server.jobs) == 1 and len(server.files) == 1


def test_a_job_goes_on_where_it_is_though_nobody_listens(serve: Any, plan: Any) -> None:
    server = serve("openai")
    server.cut = "poll"
    with pytest.raises(FinetuningError, match="goes on there"):
        Service(plan(server)).run(every_s=0)
    server.cut = ""
    with pytest.raises(FinetuningError, match="--resume"):
        Service(plan(server)).run(every_s=0)
    assert Service(plan(server)).run(resume=True, every_s=0) == "openai:ft:glm:1" and len(server.jobs) == 1
    assert Service(plan(server)).cancel() == "cancelled" and server.cancelled


def test_a_refusal_is_told_and_leaves_the_way_open(serve: Any, plan: Any) -> None:
    server = serve("openai")
    server.refuse = 403
    with pytest.raises(FinetuningError, match=r"HTTP 403\): permission denied.*no new customers"):
        Service(plan(server)).run(every_s=0)
    server.refuse = 0
    assert Service(plan(server)).run(resume=True, every_s=0) and len(server.jobs) == 1
    server.statuses = ["failed"]
    with pytest.raises(FinetuningError, match="ended as failed: out of credit"):
        Service(plan(server)).run(resume=True, every_s=0)


def test_another_runs_job_a_secret_and_a_missing_key_are_refused(
    serve: Any, plan: Any, some_rows: Rows, write_rows: Write, monkeypatch: Any
) -> None:
    server = serve("zhipu")
    service = Service(plan(server))
    service.run(every_s=0)
    state = json.loads((service.plan.folder / STATE).read_text())
    (service.plan.folder / STATE).write_text(json.dumps({**state, "rows": "others"}))
    with pytest.raises(FinetuningError, match="another run's job"):
        Service(plan(server)).run(resume=True)
    rows = some_rows(count=40)
    rows[0]["messages"][0]["content"] += " sk-abcdefghijklmnopqrstuvwx"
    secret = Plan(base=service.plan.base, data=str(write_rows(rows, "secret.jsonl")), out="none")
    with pytest.raises(FinetuningError, match="looks like a secret"):
        Service(secret)
    monkeypatch.delenv("ZHIPUAI_API_KEY", raising=False)
    for name in ("ZHIPU_API_KEY", "ZAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(MissingKeyError):
        Service(Plan(base="zhipu:glm-4-flash", data=secret.data, out="none"))
    with pytest.raises(FinetuningError, match="not by prefix"):
        Service(Plan(base=service.plan.base, data=secret.data, out="none", method="prefix"))


def test_nothing_leaves_without_a_yes(serve: Any, plan: Any, capsys: Any) -> None:
    server = serve("dashscope")
    wanted: Plan = plan(server)
    command = ["finetune", "train", "--base", wanted.base, "--data", wanted.data, "--out", wanted.out, "--price", "10"]
    assert cli.run(command) == 2
    told = capsys.readouterr().err
    assert "40 rows of 40 documents" in told and "127.0.0.1" in told and "--yes" in told and "about 0." in told
    assert cli.run([*command, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 40 and not server.files and not server.jobs
    server.statuses = ["succeeded"]
    assert cli.run([*command, "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "dashscope:qwen3-ft" and len(server.jobs) == 1
