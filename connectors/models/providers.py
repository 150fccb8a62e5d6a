"""The providers that speak the OpenAI chat protocol, and where each one differs from it. Facts only; no code path knows
a name.

Each fact carries its source. Read on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nacre.connectors.models.provider import Provider, Quirks

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

_GEMINI = Provider(
    name="gemini",
    families=r"gemini",
    title="Google Gemini",
    base_url="https://generativelanguage.googleapis.com/v1beta/openai",  # ai.google.dev/gemini-api/docs/openai
    keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    urls=("GEMINI_BASE_URL",),
    default_model="gemini-3.8-flash",
    aliases=("google",),
    # What the page does not list is refused ("Unknown name"), `reasoning_effort` is taken.
    quirks=Quirks(
        drop=_BEYOND_SERVERS | {"logit_bias", "parallel_tool_calls", "seed"}, stops=5, strict_tools=False, images=True
    ),
)

_CLAUDE = Provider(
    name="claude",
    families=r"claude",
    title="Anthropic Claude",
    base_url="https://api.anthropic.com/v1",  # platform.claude.com/docs, OpenAI SDK compatibility
    keys=("ANTHROPIC_API_KEY", "CLAUDE_API_KEY"),
    urls=("CLAUDE_BASE_URL",),
    default_model="claude-opus-5-5",
    # By the same page: temperature up to 1, n exactly 1, `strict` and `response_format` are read over.
    quirks=Quirks(
        drop=_OPENAI_ONLY | {"n", "seed", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty"},
        temperature=(0.0, 1.0),
        strict_tools=False,
        images=True,
    ),
)

_DOUBAO = Provider(
    name="doubao",
    families=r"doubao|seed-\d",
    title="Volcengine Ark (Doubao)",
    base_url="https://ark.cn-beijing.volces.com/api/v3",  # volcengine.com/docs/82379/1330310
    keys=("ARK_API_KEY", "VOLCANO_ENGINE_API_KEY"),
    urls=("ARK_BASE_URL",),
    default_model="doubao-seed-1-8-251228",
    aliases=("ark", "volcengine", "volces"),
    quirks=Quirks(
        drop=_BEYOND_SERVERS | {"n", "seed"},
        temperature=(0.0, 2.0),
        stops=4,
        unthink=MappingProxyType(_NO_THINKING),  # the same page: thinking.type enabled, disabled or auto
        strict_tools=False,
    ),
    models=((r"seed-(1-[68]|2)|vision", {"images": True}),),
)

_HUNYUAN = Provider(
    name="hunyuan",
    families=r"hunyuan",
    title="Tencent Hunyuan",
    base_url="https://api.hunyuan.cloud.tencent.com/v1",  # cloud.tencent.com/document/product/1729/111007
    keys=("HUNYUAN_API_KEY",),
    urls=("HUNYUAN_BASE_URL",),
    default_model="hunyuan-2.0-instruct-20251111",
    aliases=("tencent",),
    quirks=Quirks(
        drop=_OPENAI_ONLY | {"n", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty"},
        temperature=(0.0, 2.0),
        stops=4,
        strict_tools=False,
        images=False,
    ),
    models=((r"vision", {"images": True}), (r"thinking|-t1", {"forced_tool": False})),
)

_MINIMAX = Provider(
    name="minimax",
    families=r"minimax|abab",
    title="MiniMax",
    base_url="https://api.minimax.io/v1",  # platform.minimax.io, OpenAI API; https://api.minimaxi.com/v1 in China
    keys=("MINIMAX_API_KEY",),
    urls=("MINIMAX_BASE_URL",),
    default_model="MiniMax-M2.7",
    # java.agentscope.io, integration/model/minimax: max_completion_tokens; no tool_choice, penalties, seed, strict.
    quirks=Quirks(
        drop=_OPENAI_ONLY
        | {"parallel_tool_calls", "presence_penalty", "frequency_penalty", "n", "seed", "logprobs", "top_logprobs"},
        max_tokens="max_completion_tokens",
        temperature=(0.01, 1.0),  # (0, 1]: promptfoo.dev, providers/minimax
        forced_tool=False,
        strict_tools=False,
        reasoning_back=True,
        splits_reasoning=False,  # <think> in the content, but for the newest
        images=False,
    ),
    models=((r"minimax-m[3-9]", {"images": True}),),
)

_SILICONFLOW = Provider(
    name="siliconflow",
    title="SiliconFlow",
    base_url="https://api.siliconflow.cn/v1",  # docs.siliconflow.cn, chat-completions; .com abroad
    keys=("SILICONFLOW_API_KEY",),
    urls=("SILICONFLOW_BASE_URL",),
    default_model="deepseek-ai/DeepSeek-V4-Flash",
    aliases=("silicon",),
    quirks=Quirks(
        drop=_BEYOND_SERVERS | {"logit_bias", "parallel_tool_calls"},
        temperature=(0.0, 2.0),
        stops=4,
        unthink=MappingProxyType({"enable_thinking": False}),
        strict_tools=False,
        splits_reasoning=False,
    ),
)

_OPENROUTER = Provider(
    name="openrouter",
    title="OpenRouter",
    base_url="https://openrouter.ai/api/v1",  # openrouter.ai/docs/requests: it leaves out what a model does not know
    keys=("OPENROUTER_API_KEY",),
    urls=("OPENROUTER_BASE_URL",),
    default_model="openrouter/auto",
    quirks=Quirks(drop=_BEYOND_SERVERS, splits_reasoning=False),
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
        for p in (
            _OPENAI, _DASHSCOPE, _ZHIPU, _DEEPSEEK, _MOONSHOT, _QIANFAN, _SPARK, _DOUBAO, _HUNYUAN, _MINIMAX, _GEMINI,
            _CLAUDE, _SILICONFLOW, _OPENROUTER, _OLLAMA, _VLLM, _COMPATIBLE,
        )
    }
)  # fmt: skip
"""Every provider by its name."""


def find_provider(name: str) -> Provider | None:
    """Look a provider up."""
    name = name.strip().lower()
    return PROVIDERS.get(name) or next((p for p in PROVIDERS.values() if name in p.aliases), None)
