"""The moderation endpoint, against a server on this machine that answers as OpenAI's does."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.connectors.moderation import OpenAIModerator
from nacre.errors import MissingKeyError, ModelError, ModelUnavailableError
from nacre.layers.moderation import Moderation
from nacre.moderation import Verdict
from nacre.text.messages import nacre_of

pytest.importorskip("openai")


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            httpd.asked.append((self.path, self.headers["authorization"], asked))
            status, body = httpd.answer(asked)
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.asked, httpd.answer = [], judge
    httpd.url = f"http://127.0.0.1:{httpd.server_port}/v1"
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()
    thread.join(10)


def judge(asked):
    """As OpenAI answers: one result a text, every category with a yes or no."""
    results = []
    for text in asked["input"]:
        bad = "bad" in text
        categories = {"violence": bad, "self-harm/intent": bad and "self" in text, "hate": False}
        results.append(
            {"flagged": bad, "categories": categories, "category_scores": {k: float(v) for k, v in categories.items()}}
        )
    return 200, {"id": "modr-1", "model": asked["model"], "results": results}


def moderator(server, **kwargs):
    return OpenAIModerator(base_url=server.url, api_key="k", retries=0, **kwargs)


def test_verdicts(server):
    judge = moderator(server)
    assert judge.check("good") == Verdict(False)
    assert judge.check("bad self") == Verdict(True, ("self-harm/intent", "violence"))
    assert server.asked[0] == ("/v1/moderations", "Bearer k", {"model": "omni-moderation-latest", "input": ["good"]})


def test_long_texts_are_judged_in_overlapping_pieces(server):
    text = "x" * 95 + "bad" + "y" * 150
    assert moderator(server, piece=96).check(text).flagged, "cut apart in one piece, whole in the next"
    pieces = server.asked[0][2]["input"]
    assert len(pieces) > 1
    assert all(len(piece) <= 96 for piece in pieces)
    assert pieces[0][:84] + pieces[1][:84] + "".join(pieces[2:]) == text[:168] + text[168:]


async def test_as_the_moderator_of_a_layer(server):
    layer = Moderation(inner=ScriptedChatModel(["a bad answer"]), moderator=moderator(server))
    reply = await layer.ainvoke("good?")
    assert nacre_of(reply)["moderation"] == {"stage": "output", "flagged": True, "categories": ["violence"]}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_down_is_unavailable(server, status):
    server.answer = lambda asked: (status, {"error": {"message": "busy"}})
    with pytest.raises(ModelUnavailableError, match="moderation endpoint"):
        moderator(server).check("x")


def test_a_refused_request_names_the_cure(server):
    server.answer = lambda asked: (401, {"error": {"message": "no such key"}})
    with pytest.raises(ModelError, match="401"):
        moderator(server).check("x")


@pytest.mark.parametrize("body", [{}, {"results": []}, {"results": [{"categories": {}}]}, {"results": None}])
def test_an_answer_that_is_no_verdict_is_an_error(server, body):
    server.answer = lambda asked: (200, body)
    with pytest.raises(ModelError):
        moderator(server).check("x")


def test_nobody_there():
    with pytest.raises(ModelUnavailableError):
        OpenAIModerator(base_url="http://127.0.0.1:9/v1", api_key="k", retries=0).check("x")


def test_a_missing_key_is_told(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        OpenAIModerator()
