"""The providers that speak the OpenAI chat protocol, and where each one differs from it. Facts only; no code path knows
a name.

Each fact carries its source. Read on 2026-11-23.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal


@dataclass(frozen=True)
class Quirks:
    """Where a server differs from the protocol.

    Args:
        drop: parameters that it refuses or that mean nothing to it; they are not sent.
        temperature: lowest and highest temperature that it takes; values outside are moved to the nearest.
        stops: how many stop strings it takes; with more, none is sent and the text is cut here. None: no limit known.
        forced_tool: False where `tool_choice` may only be "auto" or "none".
        stream_only: it answers whole requests by error; they are streamed and joined here.
        reasoning_back: an assistant message with tool calls must come back with its `reasoning_content`.
        splits_reasoning: it gives reasoning in a field of its own, never in the answer.
        images: whether it takes images. None: not known; they are passed and the server decides.
    """

    drop: frozenset[str] = frozenset()
    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: tuple[float, float] | None = None
    stops: int | None = None
    forced_tool: bool = True
    unthink: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    strict_tools: bool = True
    stream_only: bool = False
    stream_usage: bool = True
    reasoning_back: bool = False
    splits_reasoning: bool = True
    images: bool | None = None
    structured: Literal["function_calling", "json_mode", "json_schema"] = "function_calling"


@dataclass(frozen=True)
class Provider:
    """One provider of chat models.

    Args:
        base_url: where it answers; "" where the user must say.
        default_model: the model when none is named; "" where one must be named.
        families: how the names of models begin that are its own, or the first that people ask it for; a pattern.
    """

    name: str
    title: str
    base_url: str
    keys: tuple[str, ...]
    needs_key: bool = True
    urls: tuple[str, ...] = ()
    default_model: str = ""
    families: str = ""
    aliases: tuple[str, ...] = ()
    quirks: Quirks = Quirks()
    models: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def quirks_of(self, model: str) -> Quirks:
        """The differences that hold for one model."""
        quirks = self.quirks
        for pattern, changes in self.models:
            if re.search(pattern, model.lower()):
                quirks = replace(quirks, **changes)
        return quirks

    def key(self) -> str:
        """The key from the environment."""
        return next((value for name in self.keys if (value := os.environ.get(name, "").strip())), "")

    def url(self) -> str:
        """Where to ask: the environment's base URL, else the provider's own."""
        return next((value for name in self.urls if (value := os.environ.get(name, "").strip())), self.base_url)

    def read(self, rest: str) -> tuple[str, str]:
        """The model and where to ask for it, from `model` or `model@http://host/v1`, what stands behind the colon."""
        model, at, url = rest.rpartition("@http")
        return (model.strip(), f"http{url.strip()}") if at else (rest.strip(), self.url())


_TUNING = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "n"})
_OPENAI_ONLY = frozenset(
    {"store", "service_tier", "verbosity", "prompt_cache_options", "reasoning_effort", "logit_bias", "metadata"}
)
_BEYOND_SERVERS = _OPENAI_ONLY - {"reasoning_effort", "logit_bias"}
_NO_THINKING = {"thinking": {"type": "disabled"}}

_OPENAI = Provider(
    name="openai",
    families=r"gpt|chatgpt|o\d",
    title="OpenAI",
    base_url="https://api.openai.com/v1",
    keys=("OPENAI_API_KEY",),
    urls=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    default_model="gpt-5-mini",
    # At most 4 stop strings; max_tokens is deprecated: developers.openai.com, API reference, chat completions.
    quirks=Quirks(max_tokens="max_completion_tokens", stops=4, structured="json_schema"),
    models=(
        # Reasoning models take no sampling parameters and no stop strings: the same page ("not supported with latest
        # reasoning models").
        (r"^(o\d|gpt-5(?!.*chat)|gpt-6)", {"drop": _TUNING - {"n"}, "stops": 0}),
        (r"^gpt-3\.5", {"images": False}),
    ),
)

_DASHSCOPE = Provider(
    name="dashscope",
    families=r"qwen|qwq|qvq",
    title="DashScope (Qwen)",
    # Beijing; -intl and -us are other hosts:
    # alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope.
    base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
    keys=("DASHSCOPE_API_KEY",),
    urls=("DASHSCOPE_BASE_URL",),
    default_model="qwen-plus",
    aliases=("qwen", "tongyi", "bailian"),
    quirks=Quirks(
        # `store`, `max_completion_tokens` and the role `developer` are refused: earendil-works/pi#45.
        # `reasoning_effort` is taken as a top-level parameter since 2026-08: NousResearch/hermes-agent#77030.
        drop=_BEYOND_SERVERS,
        temperature=(0.0, 1.99),  # [0, 2): help page above
        # "tool_choice … does not support being set to required or object in thinking mode": QwenLM/qwen-code#7659.
        unthink=MappingProxyType({"enable_thinking": False}),
        images=False,
    ),
    models=(
        # "enable_thinking must be set to false for non-streaming calls": langchain4j#3974, openclaw#21114.
        (r"^(qwq|qvq|qwen3)", {"stream_only": True}),
        # These always think: langchain-qwq#15, models.dev#2859.
        (r"^(qwq|qvq)|thinking", {"stream_only": True, "forced_tool": False}),
        (r"vl|^qvq|omni|ocr|qwen3\.[5-9]", {"images": True}),
    ),
)

_ZHIPU = Provider(
    name="zhipu",
    families=r"glm|chatglm",
    title="Zhipu AI (GLM)",
    base_url="https://open.bigmodel.cn/api/paas/v4",  # docs.bigmodel.cn, 对话补全; https://api.z.ai/api/paas/v4 abroad
    keys=("ZHIPUAI_API_KEY", "ZHIPU_API_KEY", "ZAI_API_KEY"),
    urls=("ZHIPUAI_BASE_URL", "ZAI_BASE_URL"),
    default_model="glm-4.6",
    aliases=("glm", "zhipuai", "bigmodel", "zai", "chatglm"),
    quirks=Quirks(
        drop=_OPENAI_ONLY - {"reasoning_effort"}
        | {"parallel_tool_calls", "presence_penalty", "frequency_penalty", "n", "seed"},
        temperature=(0.0, 1.0),  # docs.z.ai, chat completion
        stops=1,  # one stop string only: docs.bigmodel.cn, 对话补全
        # "Tool choice must be auto": vectorize-io/hindsight#4246; glm-4.6 hangs on a forced one: Smana/runlore#391
        forced_tool=False,
        strict_tools=False,
        images=False,
    ),
    models=((r"\dv", {"images": True}),),  # glm-4v, glm-4.5v, glm-4.1v-thinking, …
)

_DEEPSEEK = Provider(
    name="deepseek",
    families=r"deepseek",
    title="DeepSeek",
    base_url="https://api.deepseek.com",
    keys=("DEEPSEEK_API_KEY",),
    urls=("DEEPSEEK_BASE_URL",),
    default_model="deepseek-v4-flash",
    quirks=Quirks(
        drop=_BEYOND_SERVERS,
        temperature=(0.0, 2.0),
        stops=16,  # api-docs.deepseek.com, create-chat-completion
        # V4 thinks by default and refuses a forced tool while it does: deepseek-ai/DeepSeek-V3#1376.
        unthink=MappingProxyType(_NO_THINKING),
        # "The reasoning_content in the thinking mode must be passed back": api-docs.deepseek.com/guides/thinking_mode.
        reasoning_back=True,
        images=False,
    ),
    models=(
        (r"reasoner|r1", {"forced_tool": False, "unthink": MappingProxyType({})}),
        (r"vl|ocr|flash", {"images": True}),  # the flash models see: AidenAI-IO/aiden-firmware#674
    ),
)

_MOONSHOT = Provider(
    name="moonshot",
    families=r"kimi|moonshot",
    title="Moonshot AI (Kimi)",
    base_url="https://api.moonshot.cn/v1",  # platform.kimi.com; https://api.moonshot.ai/v1 abroad
    keys=("MOONSHOT_API_KEY", "KIMI_API_KEY"),
    urls=("MOONSHOT_BASE_URL",),
    default_model="kimi-k2.6",
    aliases=("kimi",),
    quirks=Quirks(
        drop=_BEYOND_SERVERS | {"parallel_tool_calls"},
        temperature=(0.0, 1.0),  # platform.kimi.ai/docs/guide/migrating-from-openai-to-kimi
        strict_tools=False,  # pydantic/pydantic-ai#2211
        reasoning_back=True,  # java.agentscope.io, integration/model/kimi
        images=False,
    ),
    models=(
        # The sampling parameters of these are fixed and any other value is an error:
        # platform.kimi.ai/docs/api/models-overview.
        (r"kimi-(k2\.[5-9]|k[3-9])", {"drop": _BEYOND_SERVERS | {"parallel_tool_calls"} | _TUNING, "images": True}),
        # "tool_choice 'required' is incompatible with thinking enabled"; thinking can be turned off:
        # can1357/oh-my-pi#1077.
        (r"kimi-k2\.[56]", {"unthink": MappingProxyType(_NO_THINKING)}),
        # These cannot stop thinking: UKGovernmentBEIS/inspect_ai#5152.
        (r"kimi-k2\.7|thinking", {"forced_tool": False}),
        (r"vision", {"images": True}),
    ),
)

_QIANFAN = Provider(
    name="qianfan",
    families=r"ernie",
    title="Baidu Qianfan (ERNIE)",
    base_url="https://qianfan.baidubce.com/v2",
    # One bearer key, no AK/SK: diegosouzapw/OmniRoute#5418, baidubce/bce-qianfan-sdk#925
    keys=("QIANFAN_API_KEY",),
    urls=("QIANFAN_BASE_URL",),
    default_model="ernie-4.5-turbo-128k",
    aliases=("ernie", "wenxin", "baidu"),
    quirks=Quirks(drop=_BEYOND_SERVERS | {"n"}, temperature=(0.01, 1.0), stops=4, strict_tools=False, images=False),
    models=((r"vl|ernie-5\.0", {"images": True}),),  # Skyvern-AI/skyvern#6145
)

_SPARK = Provider(
    name="spark",
    families=r"spark|generalv|4\.0ultra",
    title="iFLYTEK Spark",
    base_url="https://spark-api-open.xf-yun.com/v1",  # xfyun.cn/doc/spark/HTTP调用文档.html; the key is the APIPassword
    keys=("SPARK_API_PASSWORD", "SPARK_API_KEY"),
    urls=("SPARK_BASE_URL",),
    default_model="4.0Ultra",
    aliases=("xunfei", "iflytek"),
    quirks=Quirks(
        drop=_OPENAI_ONLY | {"parallel_tool_calls", "n", "seed", "logprobs", "top_logprobs"},
        temperature=(0.01, 1.0),  # (0, 1]: docs.iflyaicloud.com/doc/237
        stops=0,  # the same page lists none
        stream_usage=False,  # the last chunk carries it unasked
        strict_tools=False,
        images=False,
    ),
)

_OLLAMA = Provider(
    name="ollama",
    families=r"llama|mistral|mixtral|gemma|phi\d",
    title="Ollama",
    base_url="http://127.0.0.1:11434/v1",
    keys=("OLLAMA_API_KEY",),
    needs_key=False,  # "required but ignored": docs.ollama.com/api/openai-compatibility
    urls=("OLLAMA_BASE_URL", "OLLAMA_HOST"),
    quirks=Quirks(
        drop=_BEYOND_SERVERS | {"n", "logit_bias", "parallel_tool_calls"}, strict_tools=False, splits_reasoning=False
    ),
)

_VLLM = Provider(
    name="vllm",
    title="vLLM",
    base_url="http://127.0.0.1:8000/v1",
    keys=("VLLM_API_KEY",),
    needs_key=False,
    urls=("VLLM_BASE_URL",),
    quirks=Quirks(drop=_BEYOND_SERVERS, splits_reasoning=False),
)

_COMPATIBLE = Provider(
    name="openai_compatible",
    title="OpenAI-compatible server",
    base_url="",
    keys=("OPENAI_COMPATIBLE_API_KEY",),
    needs_key=False,
    urls=("OPENAI_COMPATIBLE_BASE_URL",),
    aliases=("openai-compatible", "compatible"),
    quirks=Quirks(drop=_BEYOND_SERVERS, splits_reasoning=False),
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        p.name: p
        for p in (_OPENAI, _DASHSCOPE, _ZHIPU, _DEEPSEEK, _MOONSHOT, _QIANFAN, _SPARK, _OLLAMA, _VLLM, _COMPATIBLE)
    }
)
"""Every provider by its name."""


def find_provider(name: str) -> Provider | None:
    """Look a provider up."""
    name = name.strip().lower()
    return PROVIDERS.get(name) or next((p for p in PROVIDERS.values() if name in p.aliases), None)
