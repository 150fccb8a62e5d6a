"""Audio passed through to a real server on a loopback port, by the real openai SDK."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from nacre import NacreError
from nacre.server.auth.keys import SpendLimit
from nacre.server.openai.audio import passed_on
from nacre.server.openai.errors import Problem

SOUND = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 64


class Ears:
    """An OpenAI-compatible audio server that tells what it was sent; the field `prompt` says how it behaves."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.pieces: list[int] = []
        self.gone = threading.Event()
        self.app = Starlette(
            routes=[
                Route("/v1/audio/transcriptions", self.hear, methods=["POST"]),
                Route("/v1/audio/translations", self.hear, methods=["POST"]),
                Route("/raw/audio/transcriptions", self.raw, methods=["POST"]),
            ]
        )

    async def hear(self, request: Request) -> Response:
        self.headers.append(dict(request.headers))
        form = await request.form()
        file = form["file"]
        fields = {name: value for name, value in form.multi_items() if name != "file"}
        fields |= {name: form.getlist(name) for name in fields if name.endswith("[]")}
        self.heard.append(
            {
                **fields,
                "bytes": await file.read(),
                "filename": file.filename,
                "type": file.content_type,
                "path": request.url.path,
            }
        )
        await form.close()
        return await self._behave(
            request,
            str(fields.get("prompt", "")),
            str(fields.get("stream", "")),
            str(fields.get("response_format", "json")),
        )

    async def _behave(self, request: Request, prompt: str, stream: str, form: str) -> Response:
        if prompt.isdigit():
            body = {"error": {"message": f"No: status {prompt}, key sk-abcdefghijklmnopqrstuv"}}
            return JSONResponse(body, int(prompt), {"retry-after": "7"})
        if prompt == "redirect":
            return RedirectResponse("http://127.0.0.1:9/elsewhere")
        if prompt == "slow":
            await asyncio.sleep(20)
        if prompt == "wait":
            while (await request.receive())["type"] != "http.disconnect":
                pass
            self.gone.set()
        if prompt == "html":
            return Response("<script>1</script>", media_type="text/html")
        if stream == "true" or prompt == "break":
            return StreamingResponse(self._events(prompt), media_type="text/event-stream")
        if form == "text":
            return PlainTextResponse("tea at five\n")
        return JSONResponse(
            {
                "text": "tea at five",
                "usage": {"type": "tokens", "input_tokens": 5, "output_tokens": 3, "total_tokens": 8},
            }
        )

    async def _events(self, prompt: str):
        for word in ("tea ", "at ", "five"):
            yield f"data: {json.dumps({'type': 'transcript.text.delta', 'delta': word})}\n\n"
            if prompt == "break":
                raise RuntimeError("the decoder died")
        yield f"data: {json.dumps({'type': 'transcript.text.done', 'text': 'tea at five'})}\n\n"

    async def raw(self, request: Request) -> Response:
        """Counts what has come, piece by piece."""
        try:
            async for piece in request.stream():
                self.pieces.append(len(piece))
        except Exception:
            self.gone.set()
            raise
        return JSONResponse({"text": "ok"})


@pytest.fixture
def ears() -> Iterator[tuple[Ears, str]]:
    made = Ears()
    listening = socket.create_server(("127.0.0.1", 0))
    instance = uvicorn.Server(uvicorn.Config(made.app, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=lambda: asyncio.run(instance.serve(sockets=[listening])), daemon=True)
    thread.start()
    while not instance.started:
        time.sleep(0.01)
    yield made, f"http://127.0.0.1:{listening.getsockname()[1]}"
    instance.should_exit = True
    thread.join(15)


def sound(name: str = "meeting with anna.WAV") -> Any:
    file = io.BytesIO(SOUND)
    file.name = name
    return file


def test_the_openai_sdk_is_answered_by_the_configured_model_and_its_key_stays_here(serve, ears, monkeypatch):
    made, url = ears
    monkeypatch.setenv("NACRE_AUDIO_KEY", "upstream-key")
    server = serve(audio={"base_url": f"{url}/v1", "model": "big-ears"})
    key = server.state.keys.add("anna", per_minute=100)
    client = server.openai(key)
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=sound(), language="en", timestamp_granularities=["word", "segment"]
    )
    assert answer.text == "tea at five" and answer.usage.total_tokens == 8
    heard = made.heard[-1]
    assert heard["bytes"] == SOUND and heard["model"] == "big-ears" and heard["language"] == "en"
    assert heard["timestamp_granularities[]"] == ["word", "segment"]
    assert heard["filename"] == "audio.WAV" and heard["path"] == "/v1/audio/transcriptions"
    assert made.headers[-1]["authorization"] == "Bearer upstream-key" and key not in json.dumps(made.headers)
    assert "anna" not in json.dumps(made.headers)
    assert client.audio.translations.create(model="whisper-1", file=sound()).text == "tea at five"
    assert made.heard[-1]["path"] == "/v1/audio/translations"
    assert client.audio.transcriptions.create(model="m", file=sound(), response_format="text") == "tea at five\n"
    events = list(client.audio.transcriptions.create(model="m", file=sound(), stream=True))
    assert [event.delta for event in events[:3]] == ["tea ", "at ", "five"] and events[-1].text == "tea at five"
    client.close()
    rows = server.state.records.select("audit")
    assert [row["model"] for row in rows] == [
        "audio:transcriptions",
        "audio:translations",
        *["audio:transcriptions"] * 2,
    ]
    assert {row["status"] for row in rows} == {"ok"} and rows[0]["asker"] == server.state.keys.all()[0]["id"]


def test_without_a_model_of_its_own_the_callers_is_passed_on(serve, ears):
    made, url = ears
    client = serve(audio={"base_url": f"{url}/v1"}).openai()
    client.audio.transcriptions.create(model="whisper-1", file=sound())
    assert made.heard[-1]["model"] == "whisper-1" and "authorization" not in made.headers[-1]
    client.close()


@pytest.mark.parametrize(
    ("said", "told", "code"),
    [("400", 400, "invalid_audio"), ("415", 415, "invalid_audio"), ("429", 429, "rate_limit_exceeded"), ("401", 502, "audio_error"),
     ("403", 502, "audio_error"), ("404", 502, "audio_error"), ("500", 502, "audio_error"), ("redirect", 502, "audio_error")],
)  # fmt: skip
def test_refusals_of_the_audio_server(serve, ears, said, told, code):
    server = serve(audio={"base_url": f"{ears[1]}/v1"})
    client = server.openai()
    with pytest.raises(openai.APIStatusError) as refused:
        client.audio.transcriptions.create(model="m", file=sound(), prompt=said)
    assert refused.value.status_code == told and refused.value.code == code
    assert "sk-abc" not in refused.value.message
    if told == 429:
        assert refused.value.response.headers["retry-after"] == "7" and "status 429" in refused.value.message
    assert server.state.records.select("audit")[-1]["status"] == code
    client.close()


def test_a_server_that_is_not_there_is_slow_or_breaks_off(serve, ears):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    client = serve(audio={"base_url": nowhere}).openai()
    with pytest.raises(openai.InternalServerError) as refused:
        client.audio.transcriptions.create(model="m", file=sound())
    assert refused.value.status_code == 503 and refused.value.code == "audio_unavailable"
    client.close()
    server = serve(audio={"base_url": f"{ears[1]}/v1"}, timeout_s=0.3)
    client = server.openai()
    with pytest.raises(openai.InternalServerError) as refused:
        client.audio.transcriptions.create(model="m", file=sound(), prompt="slow")
    assert refused.value.status_code == 504
    with pytest.raises(openai.APIError, match=r"broke off|中断"):
        list(client.audio.transcriptions.create(model="m", file=sound(), prompt="break", stream=True))
    client.close()
    form = {"file": ("a.wav", SOUND)}
    assert (
        httpx.post(f"{server.url}/v1/audio/transcriptions", files=form, data={"model": "m", "prompt": "html"}).headers[
            "content-type"
        ]
        == "application/octet-stream"
    )


def test_where_no_audio_is_configured_the_cure_is_told(serve):
    client = serve().openai()
    with pytest.raises(openai.NotFoundError) as refused:
        client.audio.transcriptions.create(model="whisper-1", file=sound())
    assert refused.value.code == "audio_not_configured" and "nacre.yaml" in refused.value.message
    client.close()


def test_limits_of_keys_hold_and_money_cannot_pay_what_has_no_price(serve, ears):
    server = serve(audio={"base_url": f"{ears[1]}/v1"})
    slow, poor = (
        server.state.keys.add("slow", per_minute=1),
        server.state.keys.add("poor", spend_limit=SpendLimit.parse("5/day")),
    )
    statuses = []
    for key in (slow, slow, poor, "nk-none"):
        answer = httpx.post(
            f"{server.url}/v1/audio/transcriptions",
            files={"file": ("a.wav", SOUND)},
            data={"model": "m"},
            headers={"authorization": f"Bearer {key}"},
        )
        statuses.append(answer.status_code)
    assert statuses == [200, 429, 403, 401] and len(ears[0].heard) == 1


def test_large_files_are_refused_before_and_while_they_come(serve, ears):
    server = serve(audio={"base_url": f"{ears[1]}/raw", "max_mb": 1})
    large = b"x" * (2 << 20)
    answer = httpx.post(f"{server.url}/v1/audio/transcriptions", files={"file": ("a.wav", large)}, data={"model": "m"})
    assert answer.status_code == 413 and ears[0].pieces == []

    def chunks() -> Iterator[bytes]:
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        for _ in range(32):
            yield large[: 64 << 10]
        yield b"\r\n--b--\r\n"

    answer = httpx.post(
        f"{server.url}/v1/audio/transcriptions",
        content=chunks(),
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert answer.status_code == 413 and sum(ears[0].pieces) <= (1 << 20) + 512


def test_a_file_whose_sender_leaves_before_its_end_reaches_nobody(serve, ears):
    server = serve(audio={"base_url": f"{ears[1]}/raw"})
    host, port = server.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port))
    connection.putrequest("POST", "/v1/audio/transcriptions")
    connection.putheader("content-type", "multipart/form-data; boundary=b")
    connection.putheader("content-length", str(4 << 20))
    connection.endheaders(
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + b"x" * (2 << 20)
    )
    connection.close()
    for _ in range(300):
        if "/v1/audio/transcriptions" in httpx.get(f"{server.url}/metrics").text:
            break
        time.sleep(0.01)
    else:
        raise AssertionError("the request did not end")
    assert ears[0].pieces == []


def test_a_client_that_leaves_stops_the_audio_server(serve, ears):
    server = serve(audio={"base_url": f"{ears[1]}/v1"})
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{server.url}/v1/audio/transcriptions",
            files={"file": ("a.wav", SOUND)},
            data={"model": "m", "prompt": "wait"},
            timeout=1,
        )
    assert ears[0].gone.wait(10)  # the only one who waits there, and for nothing but its caller's end
    assert noted(server)["status"] == "cancelled"


def noted(server: Any) -> dict[str, Any]:
    """The audit log's last row, once there is one."""
    for _ in range(300):
        if rows := server.state.records.select("audit"):
            return rows[-1]
        time.sleep(0.01)
    raise AssertionError("nothing was noted")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=b", b"nonsense"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhalf',
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="a\\"; x=\\"b"\r\n\r\n1\r\n--b--\r\n',
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="other"\r\n\r\n1\r\n--b--\r\n',
        ),
        ("multipart/form-data; boundary=" + "b" * 500, b""),
    ],
)
def test_what_is_no_form_with_a_file_is_refused(serve, ears, kind, body):
    server = serve(audio={"base_url": f"{ears[1]}/v1"})
    answer = httpx.post(f"{server.url}/v1/audio/transcriptions", content=body, headers={"content-type": kind})
    assert answer.status_code == 400 and answer.json()["error"]["type"] == "invalid_request_error", answer.text
    assert ears[0].heard == []


def test_a_key_that_is_named_must_be_there(serve):
    with pytest.raises(NacreError, match="NO_SUCH_KEY"):
        serve(audio={"base_url": "http://127.0.0.1:9/v1", "key_env": "NO_SUCH_KEY"})


NAMES = st.text(st.characters(exclude_characters='"\r\n\\', exclude_categories=["Cs"]), max_size=20)


@given(
    file=st.binary(max_size=5000),
    value=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    name=NAMES,
    cut=st.integers(1, 700),
)
def test_any_file_arrives_whole_however_it_is_cut_and_whatever_it_is_called(file, value, name, cut):
    boundary = b"a-boundary-of-the-tests"
    body = b"".join(
        b"--" + boundary + b"\r\nContent-Disposition: form-data; name=" + head + b"\r\n\r\n" + content + b"\r\n"
        for head, content in (
            (b'"prompt"', value.encode()),
            (b'"model"', b"theirs"),
            (b'"file"; filename="' + name.encode() + b'"\r\nContent-Type: a/b\r\nX-Other: 1', file),
        )
    )
    body += b"--" + boundary + b"--\r\n"

    async def through() -> tuple[bytes, dict[str, Any], Any]:
        form = await form_of(boundary, [body[at : at + cut] for at in range(0, len(body), cut)])
        fields, sent = passed_on(form, "ours")
        passed = httpx.Request("POST", "http://127.0.0.1/", data=fields, files={"file": sent})
        again = await form_of(passed.headers["content-type"][30:].encode(), [passed.read()])
        found = {key: await held.read() if hasattr(held, "read") else held for key, held in again.multi_items()}
        return passed.content, found, again["file"]

    passed, found, arrived = asyncio.run(through())
    assert found == {"model": "ours", "prompt": value, "file": file}
    assert arrived.filename.startswith("audio") and arrived.content_type == "a/b" and b"X-Other" not in passed


async def form_of(boundary: bytes, pieces: list[bytes]) -> FormData:
    """A form that comes in pieces."""
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    headers = [(b"content-type", b"multipart/form-data; boundary=" + boundary)]
    return await Request({"type": "http", "headers": headers}, receive).form()


@pytest.mark.parametrize(
    "more",
    [
        [("a", "1")] * 100,
        [("file", UploadFile(io.BytesIO(b"y"), filename="b.wav"))],
        [("other", UploadFile(io.BytesIO(b"y"), filename="b.wav"))],
        [('a"\r\nx: "b', "1")],
    ],
)
def test_forms_that_are_not_passed_on(more):
    good = ("file", UploadFile(io.BytesIO(b"x"), filename="a.wav"))
    assert passed_on(FormData([good, ("model", "m")]), "")[0] == {"model": ["m"]}
    with pytest.raises(Problem):
        passed_on(FormData([good, *more]), "")
