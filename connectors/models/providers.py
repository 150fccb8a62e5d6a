"""The providers that speak the OpenAI chat protocol, and where each one differs from it. Facts only; no code path knows
a name.

Each fact carries its source. Read on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from nacre.connectors.models.provider import Provider, Quirks

_TUNING = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "n"})
_OPENAI_ONLY = frozenset(
    {"store", "service_tier", "verbosity", "prompt_cache_options", "reasoning_effort", "logit_bias", "metadata"}
)
_BEYOND_SERVERS = _OPENAI_ONLY - {"reasoning_effort", "logit_bias"}
_NO_THINKING = {"thinking": {"type": "disabled"}}


def _known(name: str, title: str, base_url: str, **facts: Any) -> Provider:
    """A provider with its quirks. Where nothing else is said, its variables are named after it, and its server refuses
    what OpenAI alone has, and `strict` tools.
    """
    facts = {"drop": _BEYOND_SERVERS, "strict_tools": False, **facts}
    named = {"keys": (f"{name.upper()}_API_KEY",), "urls": (f"{name.upper()}_BASE_URL",)}
    quirks = Quirks(**{field.name: facts.pop(field.name) for field in fields(Quirks) if field.name in facts})
    return Provider(name, title, base_url, **{**named, **facts}, quirks=quirks)


_ALL = (
    _known(
        "openai",
        "OpenAI",
        "https://api.openai.com/v1",
        families=r"gpt|chatgpt|o\d",
        urls=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        default_model="gpt-5-mini",
        # At most 4 stop strings; max_tokens is deprecated: developers.openai.com, API reference, chat completions.
        max_tokens="max_completion_tokens",
        drop=frozenset(),
        strict_tools=True,
        stops=4,
        structured="json_schema",
        models=(
            # Reasoning models take no sampling parameters and no stop strings: the same page ("not supported with
            # latest reasoning models").
            (r"^(o\d|gpt-5(?!.*chat)|gpt-6)", {"drop": _TUNING - {"n"}, "stops": 0}),
            (r"^gpt-3\.5", {"images": False}),
        ),
    ),
    _known(
        "dashscope",
        "DashScope (Qwen)",
        # Beijing; -intl and -us are other hosts:
        # alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope.
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        families=r"qwen|qwq|qvq",
        default_model="qwen-plus",
        aliases=("qwen", "tongyi", "bailian"),
        # `store`, `max_completion_tokens` and the role `developer` are refused: earendil-works/pi#45.
        # `reasoning_effort` is taken as a top-level parameter since 2026-08: NousResearch/hermes-agent#77030.
        strict_tools=True,
        temperature=(0.0, 1.99),  # [0, 2): help page above
        # "tool_choice … does not support being set to required or object in thinking mode": QwenLM/qwen-code#7659.
        unthink={"enable_thinking": False},
        images=False,
        models=(
            # "enable_thinking must be set to false for non-streaming calls": langchain4j#3974, openclaw#21114.
            (r"^(qwq|qvq|qwen3)", {"stream_only": True}),
            # These always think: langchain-qwq#15, models.dev#2859.
            (r"^(qwq|qvq)|thinking", {"stream_only": True, "forced_tool": False}),
            (r"vl|^qvq|omni|ocr|qwen3\.[5-9]", {"images": True}),
        ),
    ),
    _known(
        "zhipu",
        "Zhipu AI (GLM)",
        "https://open.bigmodel.cn/api/paas/v4",  # docs.bigmodel.cn, 对话补全; https://api.z.ai/api/paas/v4 abroad
        families=r"glm|chatglm",
        keys=("ZHIPUAI_API_KEY", "ZHIPU_API_KEY", "ZAI_API_KEY"),
        urls=("ZHIPUAI_BASE_URL", "ZAI_BASE_URL"),
        default_model="glm-4.6",
        aliases=("glm", "zhipuai", "bigmodel", "zai", "chatglm"),
        drop=_OPENAI_ONLY - {"reasoning_effort"}
        | {"parallel_tool_calls", "presence_penalty", "frequency_penalty", "n", "seed"},
        temperature=(0.0, 1.0),  # docs.z.ai, chat completion
        stops=1,  # one stop string only: docs.bigmodel.cn, 对话补全
        # "Tool choice must be auto": vectorize-io/hindsight#4246; glm-4.6 hangs on a forced one: Smana/runlore#391
        forced_tool=False,
        images=False,
        models=((r"\dv", {"images": True}),),  # glm-4v, glm-4.5v, glm-4.1v-thinking, …
    ),
    _known(
        "deepseek",
        "DeepSeek",
        "https://api.deepseek.com",
        families=r"deepseek",
        default_model="deepseek-v4-flash",
        strict_tools=True,
        temperature=(0.0, 2.0),
        stops=16,  # api-docs.deepseek.com, create-chat-completion
        # V4 thinks by default and refuses a forced tool while it does: deepseek-ai/DeepSeek-V3#1376.
        unthink=_NO_THINKING,
        # "The reasoning_content in the thinking mode must be passed back": api-docs.deepseek.com/guides/thinking_mode.
        reasoning_back=True,
        images=False,
        models=(
            (r"reasoner|r1", {"forced_tool": False, "unthink": {}}),
            (r"vl|ocr|flash", {"images": True}),  # the flash models see: AidenAI-IO/aiden-firmware#674
        ),
    ),
    _known(
        "moonshot",
        "Moonshot AI (Kimi)",
        "https://api.moonshot.cn/v1",  # platform.kimi.com; https://api.moonshot.ai/v1 abroad
        families=r"kimi|moonshot",
        keys=("MOONSHOT_API_KEY", "KIMI_API_KEY"),
        default_model="kimi-k2.6",
        aliases=("kimi",),
        drop=_BEYOND_SERVERS | {"parallel_tool_calls"},
        # No `strict`: pydantic/pydantic-ai#2211.
        temperature=(0.0, 1.0),  # platform.kimi.ai/docs/guide/migrating-from-openai-to-kimi
        reasoning_back=True,  # java.agentscope.io, integration/model/kimi
        images=False,
        models=(
            # The sampling parameters of these are fixed and any other value is an error:
            # platform.kimi.ai/docs/api/models-overview.
            (r"kimi-(k2\.[5-9]|k[3-9])", {"drop": _BEYOND_SERVERS | {"parallel_tool_calls"} | _TUNING, "images": True}),
            # "tool_choice 'required' is incompatible with thinking enabled"; thinking can be turned off:
            # can1357/oh-my-pi#1077.
            (r"kimi-k2\.[56]", {"unthink": _NO_THINKING}),
            # These cannot stop thinking: UKGovernmentBEIS/inspect_ai#5152.
            (r"kimi-k2\.7|thinking", {"forced_tool": False}),
            (r"vision", {"images": True}),
        ),
    ),
    _known(
        "qianfan",
        "Baidu Qianfan (ERNIE)",
        "https://qianfan.baidubce.com/v2",
        families=r"ernie",
        # One bearer key, no AK/SK: diegosouzapw/OmniRoute#5418, baidubce/bce-qianfan-sdk#925
        default_model="ernie-4.5-turbo-128k",
        aliases=("ernie", "wenxin", "baidu"),
        drop=_BEYOND_SERVERS | {"n"},
        temperature=(0.01, 1.0),
        stops=4,
        images=False,
        models=((r"vl|ernie-5\.0", {"images": True}),),  # Skyvern-AI/skyvern#6145
    ),
    _known(
        "spark",
        "iFLYTEK Spark",
        "https://spark-api-open.xf-yun.com/v1",  # xfyun.cn/doc/spark/HTTP调用文档.html; the key is the APIPassword
        families=r"spark|generalv|4\.0ultra",
        keys=("SPARK_API_PASSWORD", "SPARK_API_KEY"),
        default_model="4.0Ultra",
        aliases=("xunfei", "iflytek"),
        drop=_OPENAI_ONLY | {"parallel_tool_calls", "n", "seed", "logprobs", "top_logprobs"},
        temperature=(0.01, 1.0),  # (0, 1]: docs.iflyaicloud.com/doc/237
        stops=0,  # the same page lists none
        stream_usage=False,  # the last chunk carries it unasked
        images=False,
    ),
    _known(
        "doubao",
        "Volcengine Ark (Doubao)",
        "https://ark.cn-beijing.volces.com/api/v3",  # volcengine.com/docs/82379/1330310
        families=r"doubao|seed-\d",
        keys=("ARK_API_KEY", "VOLCANO_ENGINE_API_KEY"),
        urls=("ARK_BASE_URL",),
        default_model="doubao-seed-1-8-251228",
        aliases=("ark", "volcengine", "volces"),
        drop=_BEYOND_SERVERS | {"n", "seed"},
        temperature=(0.0, 2.0),
        stops=4,
        unthink=_NO_THINKING,  # the same page: thinking.type enabled, disabled or auto
        models=((r"seed-(1-[68]|2)|vision", {"images": True}),),
    ),
    _known(
        "hunyuan",
        "Tencent Hunyuan",
        "https://api.hunyuan.cloud.tencent.com/v1",  # cloud.tencent.com/document/product/1729/111007
        families=r"hunyuan",
        default_model="hunyuan-2.0-instruct-20251111",
        aliases=("tencent",),
        drop=_OPENAI_ONLY | {"n", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty"},
        temperature=(0.0, 2.0),
        stops=4,
        images=False,
        models=((r"vision", {"images": True}), (r"thinking|-t1", {"forced_tool": False})),
    ),
    _known(
        "minimax",
        "MiniMax",
        "https://api.minimax.io/v1",  # platform.minimax.io, OpenAI API; https://api.minimaxi.com/v1 in China
        families=r"minimax|abab",
        default_model="MiniMax-M2.7",
        # java.agentscope.io, integration/model/minimax: max_completion_tokens; no tool_choice, penalties, seed, strict.
        drop=_OPENAI_ONLY
        | {"parallel_tool_calls", "presence_penalty", "frequency_penalty", "n", "seed", "logprobs", "top_logprobs"},
        max_tokens="max_completion_tokens",
        temperature=(0.01, 1.0),  # (0, 1]: promptfoo.dev, providers/minimax
        forced_tool=False,
        reasoning_back=True,
        splits_reasoning=False,  # <think> in the content, but for the newest
        images=False,
        models=((r"minimax-m[3-9]", {"images": True}),),
    ),
    _known(
        "gemini",
        "Google Gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",  # ai.google.dev/gemini-api/docs/openai
        families=r"gemini",
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        default_model="gemini-3.8-flash",
        aliases=("google",),
        # What the page does not list is refused ("Unknown name"), `reasoning_effort` is taken.
        drop=_BEYOND_SERVERS | {"logit_bias", "parallel_tool_calls", "seed"},
        stops=5,
        images=True,
    ),
    _known(
        "claude",
        "Anthropic Claude",
        "https://api.anthropic.com/v1",  # platform.claude.com/docs, OpenAI SDK compatibility
        families=r"claude",
        keys=("ANTHROPIC_API_KEY", "CLAUDE_API_KEY"),
        default_model="claude-opus-5-5",
        # By the same page: temperature up to 1, n exactly 1, `strict` and `response_format` are read over.
        drop=_OPENAI_ONLY | {"n", "seed", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty"},
        temperature=(0.0, 1.0),
        images=True,
    ),
    _known(
        "siliconflow",
        "SiliconFlow",
        "https://api.siliconflow.cn/v1",  # docs.siliconflow.cn, chat-completions; .com abroad
        default_model="deepseek-ai/DeepSeek-V4-Flash",
        aliases=("silicon",),
        drop=_BEYOND_SERVERS | {"logit_bias", "parallel_tool_calls"},
        temperature=(0.0, 2.0),
        stops=4,
        unthink={"enable_thinking": False},
        splits_reasoning=False,
    ),
    _known(
        "openrouter",
        "OpenRouter",
        "https://openrouter.ai/api/v1",  # openrouter.ai/docs/requests: it leaves out what a model does not know
        default_model="openrouter/auto",
        strict_tools=True,
        splits_reasoning=False,
    ),
    _known(
        "ollama",
        "Ollama",
        "http://127.0.0.1:11434/v1",
        families=r"llama|mistral|mixtral|gemma|phi\d",
        needs_key=False,  # "required but ignored": docs.ollama.com/api/openai-compatibility
        urls=("OLLAMA_BASE_URL", "OLLAMA_HOST"),
        drop=_BEYOND_SERVERS | {"n", "logit_bias", "parallel_tool_calls"},
        splits_reasoning=False,
    ),
    _known("vllm", "vLLM", "http://127.0.0.1:8000/v1", needs_key=False, strict_tools=True, splits_reasoning=False),
    _known(
        "openai_compatible",
        "OpenAI-compatible server",
        "",
        needs_key=False,
        aliases=("openai-compatible", "compatible"),
        strict_tools=True,
        splits_reasoning=False,
    ),
)
PROVIDERS: Mapping[str, Provider] = MappingProxyType({provider.name: provider for provider in _ALL})
"""Every provider by its name."""


def find_provider(name: str) -> Provider | None:
    """Look a provider up."""
    name = name.strip().lower()
    return PROVIDERS.get(name) or next((p for p in PROVIDERS.values() if name in p.aliases), None)
