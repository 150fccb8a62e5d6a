"""Chat models of every other provider, by LangChain's own packages."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from nacre.errors import MissingExtraError, MissingKeyError, UsageError
from nacre.text.language import tr

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

# As `langchain.chat_models.init_chat_model` names them -> the package that brings them.
_OWN = """
anthropic azure_ai baseten cohere fireworks google_genai google_vertexai groq ibm litellm mistralai perplexity together
upstage xai
"""
PACKAGES = {
    **{name: f"langchain-{name.replace('_', '-')}" for name in _OWN.split()},
    **dict.fromkeys(("anthropic_bedrock", "bedrock", "bedrock_converse"), "langchain-aws"),
    "azure_openai": "langchain-openai",
    "google_anthropic_vertex": "langchain-google-vertexai",
    "nvidia": "langchain-nvidia-ai-endpoints",
}
_ALIASES = {"mistral": "mistralai", "vertexai": "google_vertexai", "azure": "azure_openai", "aws": "bedrock_converse"}


def known_name(kind: str) -> str:
    """LangChain's name of a provider, "" where it has none."""
    name = kind.strip().lower().replace("-", "_")
    name = _ALIASES.get(name, name)
    return name if name in PACKAGES else ""


def load(name: str, model: str, settings: dict[str, Any]) -> BaseChatModel:
    """Load a model by LangChain's package for it."""
    package = PACKAGES[name]
    missing = [item for item in ("langchain", package) if importlib.util.find_spec(item.replace("-", "_")) is None]
    if missing:
        line = f"pip install 'nacre-ai[agents]' {package}"
        told = tr("{name} models need packages that are not installed. Install: {line}", name=name, line=line)
        raise MissingExtraError(told, package=missing[0], install=line)
    from langchain.chat_models import init_chat_model

    try:
        made: BaseChatModel = init_chat_model(model, model_provider=name, **settings)
        return made
    except Exception as error:  # each package has errors of its own; pydantic's say which setting is missing
        kind = MissingKeyError if "key" in str(error).lower() else UsageError
        told = " ".join(str(error).split())[:300]
        said = tr("{name}:{model} cannot be loaded: {error}", name=name, model=model, error=told)
        raise kind(said, model=f"{name}:{model}", variable="") from error
