"""Nacre arms a language model with knowledge, computation and action, without changing the model.

Every capability is a decorator around a chat model and is itself a chat model. The names below are loaded when they
are first used, so that `import nacre` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_WHERE = {
    "BestOf": "nacre.layers.best_of",
    "ChainOfThought": "nacre.layers.chain_of_thought",
    "ChatModelDecorator": "nacre.decorator.layer",
    "ConversationMemory": "nacre.layers.memory",
    "Decomposition": "nacre.layers.decomposition",
    "Fallback": "nacre.layers.fallback",
    "FewShot": "nacre.layers.few_shot",
    "KnowledgeBase": "nacre.retrieval.knowledge_base",
    "Moderation": "nacre.layers.moderation",
    "NacreError": "nacre.errors",
    "ProgramAided": "nacre.layers.pal",
    "PythonInterpreter": "nacre.reasoning.sandbox",
    "ReAct": "nacre.layers.react",
    "ResponseCache": "nacre.layers.cache",
    "Retry": "nacre.layers.retry",
    "RetrievalAugmented": "nacre.layers.rag",
    "ScriptedChatModel": "nacre.connectors.models.scripted",
    "SelfConsistency": "nacre.layers.self_consistency",
    "Summary": "nacre.layers.summary",
    "build": "nacre.stack",
    "explain": "nacre.stack",
    "load_model": "nacre.connectors.models",
    "parse_react": "nacre.agents.output_parser",
}

__all__ = [*_WHERE, "__version__"]  # noqa: PLE0604

if TYPE_CHECKING:
    from nacre.agents.output_parser import parse_react as parse_react
    from nacre.connectors.models import load_model as load_model
    from nacre.connectors.models.scripted import ScriptedChatModel as ScriptedChatModel
    from nacre.decorator.layer import ChatModelDecorator as ChatModelDecorator
    from nacre.errors import NacreError as NacreError
    from nacre.layers.best_of import BestOf as BestOf
    from nacre.layers.cache import ResponseCache as ResponseCache
    from nacre.layers.chain_of_thought import ChainOfThought as ChainOfThought
    from nacre.layers.decomposition import Decomposition as Decomposition
    from nacre.layers.fallback import Fallback as Fallback
    from nacre.layers.few_shot import FewShot as FewShot
    from nacre.layers.memory import ConversationMemory as ConversationMemory
    from nacre.layers.moderation import Moderation as Moderation
    from nacre.layers.pal import ProgramAided as ProgramAided
    from nacre.layers.rag import RetrievalAugmented as RetrievalAugmented
    from nacre.layers.react import ReAct as ReAct
    from nacre.layers.retry import Retry as Retry
    from nacre.layers.self_consistency import SelfConsistency as SelfConsistency
    from nacre.layers.summary import Summary as Summary
    from nacre.reasoning.sandbox import PythonInterpreter as PythonInterpreter
    from nacre.retrieval.knowledge_base import KnowledgeBase as KnowledgeBase
    from nacre.stack import build as build
    from nacre.stack import explain as explain


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(import_module(_WHERE[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nacre' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
