"""The server's settings, from `nacre.yaml`, the environment and the command line. A mistake is told with its line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from nacre.errors import StackError
from nacre.store.places import scheme_of
from nacre.text.language import tr


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OidcSettings(_Part):
    """Whose login tokens are accepted beside keys."""

    issuer: str
    audience: str
    jwks_url: str
    """Where the issuer publishes its keys."""
    groups_claim: str = "groups"
    """The claim whose list becomes the user's principals."""
    read_only: bool = True
    """Whether people who log in may only ask."""
    write_main: bool = False
    """Whether what people who log in upload into "main" is for others too."""


class ServerSettings(_Part):
    """How the server behaves. Each is also read from the environment: `NACRE_PORT`, `NACRE_MAX_BODY_MB`, …"""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    data: Path | None = None
    """Keys, uploads and vector stores; None is the folder `server` in the knowledge base."""
    store: str | None = Field(default=None, pattern=r"^postgres(ql)?://")
    """A PostgreSQL for all of them instead, so that several servers answer as one."""
    public_url: str | None = Field(default=None, pattern=r"^https?://")
    """Where clients reach the server, for links to sources; None takes it from each request."""
    max_body_mb: int = Field(default=64, ge=1, le=4096)
    timeout_s: float = Field(default=300, gt=0)
    """Seconds that a model may be silent."""
    patience_s: float = Field(default=30, gt=0)
    """Seconds that a client may take for each request's headers, and beyond 16 KiB a second for bodies and answers."""
    max_connections: int = Field(default=1000, ge=1)
    max_per_address: int | None = Field(default=None, ge=1)
    """Connections of one address. None: a quarter of all, and all of them for loopback, from where a proxy comes; a
    proxy elsewhere needs it set to what it may open."""
    allow_origins: list[str] = Field(default_factory=list)
    """Web pages elsewhere that may call the API."""
    allow_hosts: list[str] = Field(default_factory=list)
    """Further names under which the server answers while it has no keys."""
    principals: list[str] | None = None
    """As whom to search while the server has no keys."""
    oidc: OidcSettings | None = None
    trace: bool = False
    """Keep questions, answers and steps in the data folder."""
    trace_days: int = Field(default=30, ge=1)
    otel: bool = False
    """Send OpenTelemetry spans, to where the `OTEL_*` variables say."""
    otel_contents: bool | None = None
    """Whether spans hold questions and answers; None: as OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says."""
    store_responses: bool = False
    """Keep responses whose request does not say `store`."""
    response_days: int = Field(default=30, ge=0)
    """Days after its last use for which a stored response is kept; 0 keeps none, whatever a request says."""
    responses_mb: int = Field(default=64, ge=1)
    """Room for the stored responses of a key; the oldest make way."""
    max_files: int = Field(default=10_000, ge=1)
    """Uploads of a key, and files in its vector stores."""
    files_mb: int = Field(default=2048, ge=1)
    """Room for the uploads of a key; what is read into its vector stores may be as much again."""
    max_stores: int = Field(default=100, ge=1)
    """Vector stores of a key."""
    max_feedback: int = Field(default=10_000, ge=1)
    """Verdicts of a key."""
    feedback_mb: int = Field(default=16, ge=1)
    """Room for the verdicts of a key."""
    feedback_rows: Literal["all", "consent", "none"] = "all"
    """Which verdicts `nacre eval from-feedback` may take: all, those given with `consent`, none."""
    trace_rows: bool = False
    """Whether `nacre eval from-traces` may take traces."""


class Stack(_Part):
    """A model that the server offers: as for `nacre.build`."""

    model: str | dict[str, Any] | None = None
    layers: list[str | dict[str, Any]] = Field(default_factory=list)


class AudioSettings(_Part):
    """An OpenAI-compatible server that hears. Each is also read from the environment: `NACRE_AUDIO_BASE_URL`, …"""

    base_url: str = Field(pattern=r"^https?://")
    """Up to and with its `/v1`."""
    model: str = Field(default="", pattern=r"^[\w.:/@+-]*$")
    """Its model, whatever model the caller names; empty passes on the caller's."""
    key_env: str = ""
    """The environment variable that holds its key; empty is `NACRE_AUDIO_KEY`, which need not be set."""
    max_mb: int = Field(default=25, ge=1, le=4096)


class Price(_Part):
    """What a model costs, for a million tokens."""

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)


class Prices(_Part):
    """What the models cost, so that keys can be limited in money."""

    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    models: dict[str, Price]
    """By name: "dashscope:qwen-plus"."""


class Settings(_Part):
    """A whole `nacre.yaml`."""

    kb: Annotated[str, BeforeValidator(lambda place: str(place) if isinstance(place, Path) else place)]
    model: str | dict[str, Any] | None = None
    stacks: dict[str, Stack] = Field(default_factory=dict)
    server: ServerSettings = Field(default_factory=ServerSettings)
    prices: Prices | None = None
    audio: AudioSettings | None = None

    @property
    def store(self) -> str | Path:
        """Where the server keeps keys, uploads and vector stores: a folder, or a database's address."""
        if self.server.store and self.server.data:
            raise StackError(tr("server.store and server.data (--data) exclude each other: leave one of them out."))
        if self.server.store is None and self.server.data is None and scheme_of(self.kb):
            told = tr(
                "The knowledge base is no folder: say where keys and uploads go, with server.store (postgresql://…) "
                "or, for one server alone, --data DIR or server.data."
            )
            raise StackError(told)
        return self.server.store or self.server.data or Path(self.kb) / "server"


def read_settings(path: Path | None = None, *, found: bool = False, **given: Any) -> Settings:
    """Read the settings: the command line goes before the environment, and that before the file, in which paths are
    relative to its folder.
    """
    data, lines = _load(path) if path else ({}, {})
    if path and found:
        _refuse_reach(path, data, lines)
    if path and isinstance(data.get("kb"), str) and not scheme_of(data["kb"]):
        data["kb"] = str(path.parent / data["kb"])
    server = dict(data.get("server") or {}) if isinstance(data.get("server") or {}, dict) else data["server"]
    if isinstance(server, dict):
        if path and isinstance(server.get("data"), str):
            server["data"] = str(path.parent / server["data"])
        for name in ServerSettings.model_fields:
            if value := os.environ.get(f"NACRE_{name.upper()}"):
                server[name] = [part.strip() for part in value.split(",")] if name in _LISTS else value
        said = {
            name: value for name, value in given.items() if name in ServerSettings.model_fields and value is not None
        }
        data["server"] = {**server, **said}
    audio = {
        name: value for name in AudioSettings.model_fields if (value := os.environ.get(f"NACRE_AUDIO_{name.upper()}"))
    }
    if audio and isinstance(data.get("audio") or {}, dict):
        data["audio"] = {**(data.get("audio") or {}), **audio}
    for name in ("kb", "model"):
        if value := given.get(name) or os.environ.get(f"NACRE_{name.upper()}"):
            data[name] = str(value) if isinstance(value, Path) else value
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise _complaint(path, error, lines) from error
    if path and found:
        _refuse_code(path, settings, lines)
    return settings


_LISTS = ("allow_origins", "allow_hosts", "principals")
_DEPTH, _PLACES = 50, 10_000
Lines = dict[tuple[str | int, ...], int]


def _load(path: Path) -> tuple[dict[str, Any], Lines]:
    try:
        text = path.read_text("utf-8")
        node = yaml.compose(text, yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        what = getattr(error, "problem", None) or str(error)
        raise StackError(tr("{where} cannot be read: {what}.", where=where, what=what), path=str(path)) from error
    if data is not None and not isinstance(data, dict):
        told = tr("{path}:1 is no mapping. `nacre init` writes one to begin with.", path=path)
        raise StackError(told, path=str(path))
    lines: Lines = {}
    if node is not None:
        _number(node, (), lines)
    return data or {}, lines


def _number(node: yaml.Node, place: tuple[str | int, ...], lines: Lines) -> None:
    """Remember for every place in the file its line, from 1; of a mapping's entry that of its name."""
    if len(place) > _DEPTH or len(lines) > _PLACES:
        told = tr(
            "The settings have more than {places} entries, or are nested more than {depth} levels deep.",
            places=_PLACES,
            depth=_DEPTH,
        )
        raise StackError(told)
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines[(*place, str(key.value))] = key.start_mark.line + 1
            _number(value, (*place, str(key.value)), lines)
    elif isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            _number(value, (*place, at), lines)


def _line(place: Sequence[str | int], lines: Mapping[tuple[str | int, ...], int]) -> int | None:
    """The line of a place, or of what is around it where the place itself has none."""
    return next((lines[tuple(place[:n])] for n in range(len(place), -1, -1) if tuple(place[:n]) in lines), None)


def _refuse_reach(path: Path, value: Any, lines: Lines, place: tuple[str | int, ...] = ()) -> None:
    """Refuse what starts a program, names an address, or names a variable that holds a key."""
    if isinstance(value, dict):
        for name, part in value.items():
            _refuse_reach(path, name, lines, (*place, name))  # whoever expects a list takes a mapping's names for one
            _refuse_reach(path, part, lines, (*place, name))
    elif isinstance(value, (list, tuple, set)):
        for at, part in enumerate(value):
            _refuse_reach(path, part, lines, (*place, at))
    if isinstance(value, str) and (value.startswith("mcp:") or "://" in value or value == "key_env"):
        raise _reaches(path, place, lines)


def _refuse_code(path: Path, settings: Settings, lines: Lines) -> None:
    """Refuse layers that are not ours: to name one is to import what it names."""
    from nacre.stack import LAYERS, named

    for name, stack in settings.stacks.items():
        for at, entry in enumerate(stack.layers):
            if named(entry)[0] not in LAYERS:
                raise _reaches(path, ("stacks", name, "layers", at), lines)


def _reaches(path: Path, place: Sequence[str | int], lines: Lines) -> StackError:
    name, where = ".".join(map(str, place)), f"{path}:{_line(place, lines)}"
    told = tr(
        "{where}: {name} starts a program, runs code, or names an address or a key. A nacre.yaml that merely lies in "
        "the current folder may not do that; if it is yours, say so: --config {path}",
        where=where,
        name=name,
        path=path,
    )
    return StackError(told, path=str(path))


def _complaint(path: Path | None, error: ValidationError, lines: Mapping[tuple[str | int, ...], int]) -> StackError:
    first = error.errors()[0]
    place: Sequence[str | int] = first["loc"]
    name = ".".join(str(part) for part in place)
    if first["type"] == "missing" and tuple(place) == ("kb",):
        return StackError(tr("No knowledge base is named: --kb DIR, or `kb:` in nacre.yaml."))
    line = _line(place, lines)
    where = f"{path}:{line}: " if path and line else ""
    what = tr("unknown setting") if first["type"] == "extra_forbidden" else first["msg"]
    return StackError(tr("{where}{name}: {what}", where=where, name=name, what=what), path=str(path or ""))


TEMPLATE = """\
# Nacre's server. Start it: nacre serve --config nacre.yaml     启动：nacre serve --config nacre.yaml
# The knowledge base, a folder made by `nacre sync`.             知识库文件夹，由 `nacre sync` 创建
kb: ./kb

# The language model. Without one: $NACRE_MODEL, else OpenAI where it is configured, else "quote".
# 语言模型；省略时依次取 $NACRE_MODEL、已配置的 OpenAI、"quote"
# model: openai:gpt-5-mini
# model: dashscope:qwen-plus
# model: ollama:qwen3

# What clients see as models. Without this part: nacre, nacre-strict (with a real model also nacre-pal, nacre-agent).
# 客户端看到的模型；省略时提供默认几种
# stacks:
#   handbook:
#     layers:
#       - use: rag
#         k: 8
#         strict: true

# What the models cost, for a million tokens: needed where keys have a limit in money (nacre keys add --spend-limit).
# 每百万 token 的价格；密钥有金额上限（nacre keys add --spend-limit）时必须填写
# prices:
#   currency: USD
#   models:
#     openai:gpt-5-mini: {input: 0.25, output: 2.00}

# A server that turns speech into text, for /v1/audio/transcriptions. Its key: $NACRE_AUDIO_KEY.
# 语音转文字服务，供 /v1/audio/transcriptions 使用；密钥取自 $NACRE_AUDIO_KEY
# audio:
#   base_url: http://127.0.0.1:8000/v1
#   model: whisper-large-v3

server:
  host: 127.0.0.1      # anything else needs keys: nacre keys add NAME --kb ./kb     其他地址需要密钥
  port: 8080
  # store: postgresql://nacre@db.example/company     # keys, uploads, … for several servers     多台服务器共用
  # public_url: https://ask.example.org/     # behind a proxy     位于反向代理之后时填写
  # max_body_mb: 64
  # timeout_s: 300
  # allow_origins: [https://intranet.example.org]
  # response_days: 30  # how long stored responses are kept after their last use; 0 keeps none     已保存回复的保留天数
  # otel: true         # OpenTelemetry spans, to $OTEL_EXPORTER_OTLP_ENDPOINT     发送 OpenTelemetry span
  # trace: true        # keep questions and answers in ./kb/server     保存问答记录
"""
