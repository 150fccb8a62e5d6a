"""A stack is data: a model's name and the layers around it, outermost first. The only place that composes everything.

::

    model: quote                      # or {spec: "openai:gpt-5", temperature: 0}
    layers:
      - moderation                    # sees what the user sees, so it is outermost
      - use: memory                   # keeps the conversation, and none of the retrieved text
        store: sessions.sqlite
      - cache                         # its key holds the history and everything below
      - use: rag                      # adds sources to the question
        kb: ./kb
        k: 6
      - use: few_shot                 # shows how, after what is known
        examples: [["1 + 1?", "2"]]
      - pal                           # or react: computes or acts with all that in its prompt
      - retry                         # next to the model, so that only its call is repeated
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nacre.errors import StackError
from nacre.text.language import tr
from nacre.validation import expect

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from nacre.decorator.layer import ChatModelDecorator

Data = dict[str, Any]
# What shapes a model's answers and may stand beside its name.
_SETTINGS = ("temperature", "top_p", "top_k", "max_tokens", "seed", "adapter", "sentences")


@dataclass(frozen=True)
class Layer:
    """How a layer is named in a stack."""

    where: str
    fields: Callable[[Data], Data] = lambda data: data
    data: Callable[[Data], Data] = lambda fields: fields

    def kind(self) -> type[ChatModelDecorator]:
        """The layer's class, imported when it is first needed."""
        module, name = self.where.split(":")
        return cast("type[ChatModelDecorator]", getattr(import_module(module), name))


def _rag_fields(data: Data) -> Data:
    from nacre.retrieval.knowledge_base import KnowledgeBase
    from nacre.retrieval.retriever import retriever_of

    data = dict(data)
    base = KnowledgeBase.open(_take(data, "rag", "kb"), create=False)
    return {"retriever": retriever_of(base, k=data.pop("k", None), principals=data.pop("principals", None)), **data}


def _rag_data(fields: Data) -> Data:
    fields = dict(fields)
    return {**_retriever_data(fields.pop("retriever")), **fields}


def _retriever_data(retriever: Any) -> Data:
    base = getattr(retriever, "knowledge_base", None)
    if base is None:
        return {"retriever": type(retriever).__name__}
    named = {"kb": base.place, "k": retriever.k, "principals": retriever.principals}
    return {name: value for name, value in named.items() if value is not None}


def _fallback_fields(data: Data) -> Data:
    data = dict(data)
    others = _take(data, "fallback", "others")
    return {"others": [build({"model": model}) for model in ([others] if isinstance(others, str) else others)], **data}


def _fallback_data(fields: Data) -> Data:
    return {**fields, "others": [explain(model)["model"] for model in fields["others"]]}


def _react_fields(data: Data) -> Data:
    from nacre.tools import make_tools

    data = dict(data)
    named = data.pop("tools", [])
    kb, principals = data.pop("kb", None), data.pop("principals", None)
    return {"tools": make_tools(named, kb=kb, principals=principals), **data}


def _react_data(fields: Data) -> Data:
    from nacre.tools import tool_names

    return {**fields, **tool_names(fields.get("tools", ()))}


def _pal_fields(data: Data) -> Data:
    data = dict(data)
    if isinstance(named := data.get("interpreter"), str):
        from nacre.connectors.interpreters import load_interpreter

        data["interpreter"] = load_interpreter(named)
    return data


def _pal_data(fields: Data) -> Data:
    name = getattr(fields.get("interpreter"), "name", None)
    return {**fields, "interpreter": name} if name else fields


LAYERS: Mapping[str, Layer] = {
    "moderation": Layer("nacre.layers.moderation:Moderation"),
    "memory": Layer("nacre.layers.memory:ConversationMemory"),
    "cache": Layer("nacre.layers.cache:ResponseCache"),
    "rag": Layer("nacre.layers.rag:RetrievalAugmented", _rag_fields, _rag_data),
    "self_consistency": Layer("nacre.layers.prompting:SelfConsistency"),
    "few_shot": Layer("nacre.layers.prompting:FewShot"),
    "chain_of_thought": Layer("nacre.layers.prompting:ChainOfThought"),
    "pal": Layer("nacre.layers.pal:ProgramAided", _pal_fields, _pal_data),
    "react": Layer("nacre.layers.react:ReAct", _react_fields, _react_data),
    "fallback": Layer("nacre.layers.resilience:Fallback", _fallback_fields, _fallback_data),
    "retry": Layer("nacre.layers.resilience:Retry"),
}

# (outer, inner): why not. Every other order works, if not always as well as the one above.
ILLEGAL: Mapping[tuple[str, str], tuple[str, str]] = {
    ("rag", "memory"): ("the memory would keep the retrieved text of every turn", "记忆会保存每一轮检索到的文本"),
    ("few_shot", "memory"): (
        "the memory would keep the examples as if they had been said",
        "记忆会把示例当作真实对话保存",
    ),
    ("cache", "memory"): (
        "a cached answer would skip the memory, and the next question would lack this one",
        "命中缓存会跳过记忆，下一问将缺少这一轮",
    ),
    ("memory", "moderation"): ("the memory would keep what moderation refused", "记忆会保存被审核拒绝的内容"),
    ("cache", "moderation"): ("a cached answer would skip moderation", "命中缓存会跳过审核"),
    ("retry", "memory"): ("a second try would find the question already in the memory", "重试时记忆中已有该问题"),
    ("self_consistency", "memory"): ("every sample would be remembered", "每个样本都会被记住"),
}


def build(stack: Mapping[str, Any] | str | Path) -> BaseChatModel:
    """Make a model from a stack.

    Args:
        stack: a mapping with `model` (a name, or a mapping with `spec` and the model's settings) and `layers`
            (outermost first; names, or mappings with `use` and the layer's arguments); or the path of a YAML file
            that holds one.

    Returns:
        The decorated model.

    Raises:
        StackError: the stack is malformed, names an unknown layer, or has an order that cannot work.

    Example:
        >>> build({"model": "quote", "layers": ["retry"]}).inner._llm_type
        'nacre-quote'
    """
    data = _read(stack) if isinstance(stack, (str, Path)) else stack
    if not isinstance(data, Mapping) or not isinstance(data.get("layers") or [], (list, tuple)):
        raise StackError(tr("A stack is a mapping with 'model' and a list of 'layers', not {data!r}.", data=data))
    if unknown := set(data) - {"model", "layers"}:
        raise StackError(tr("A stack has 'model' and 'layers'; {unknown} is unknown.", unknown=sorted(unknown)))
    layers = [_named(entry) for entry in data.get("layers") or []]
    _check_order([name for name, _ in layers])
    model = _load(data.get("model"))
    for name, arguments in reversed(layers):
        model = LAYERS[name].kind()(inner=model, **LAYERS[name].fields(arguments))
    return model


def check(layers: Sequence[Any]) -> None:
    """Check names and order of layers without building them."""
    _check_order([name for name, _ in map(_named, layers)])


def explain(model: BaseChatModel) -> Data:
    """Say as data how a model is stacked; `build` takes it back where all of it can be named.

    Args:
        model: any chat model.

    Returns:
        A mapping as for `build`. An object that has no name in a stack stands there as the name of its class.
    """
    from langchain_core.language_models import BaseChatModel

    from nacre.decorator.layer import ChatModelDecorator

    expect(model, "model", BaseChatModel)
    names = {layer.where.rpartition(":")[2]: name for name, layer in LAYERS.items()}
    layers: list[Any] = []
    while isinstance(model, ChatModelDecorator):
        name = names.get(type(model).__name__)
        # LangChain's own fields (callbacks, tags, …) and the inner model are not the layer's arguments.
        own = model.model_fields_set - set(ChatModelDecorator.model_fields)
        fields = {field: getattr(model, field) for field in own}
        arguments = LAYERS[name].data(fields) if name else fields
        layers.append(
            {"use": name or type(model).__name__, **{key: _plain(value) for key, value in sorted(arguments.items())}}
        )
        model = model.inner
    return {"model": _model_name(model), "layers": [entry["use"] if len(entry) == 1 else entry for entry in layers]}


def _read(path: str | Path) -> Mapping[str, Any]:
    import yaml

    try:
        data = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StackError(
            tr("The stack file {path} cannot be read: {error}", path=path, error=error), path=str(path)
        ) from error
    if not isinstance(data, dict):
        raise StackError(
            tr("The stack file {path} holds no mapping with 'model' and 'layers'.", path=path), path=str(path)
        )
    return data


def _named(entry: Any) -> tuple[str, Data]:
    whole = {"use": entry} if isinstance(entry, str) else entry if isinstance(entry, dict) else {}
    name, arguments = str(whole.get("use", "")), {key: value for key, value in whole.items() if key != "use"}
    if name not in LAYERS:
        known = ", ".join(LAYERS)
        raise StackError(
            tr(
                "{entry!r} is not a layer. Write a name or {{use: name, …}}; there are: {known}.",
                entry=entry,
                known=known,
            )
        )
    return name, arguments


def _check_order(names: list[str]) -> None:
    for at, outer in enumerate(names):
        for inner in names[at + 1 :]:
            if why := ILLEGAL.get((outer, inner)):
                raise StackError(
                    tr(
                        "{outer} cannot stand outside {inner}: {why}. Put {inner} first.",
                        outer=outer,
                        inner=inner,
                        why=why[0],
                        why2=why[1],
                    )
                )


def _load(model: Any) -> BaseChatModel:
    from nacre.connectors.models import load_model

    if isinstance(model, Mapping):
        settings = dict(model)
        return load_model(_take(settings, "model", "spec"), **settings)
    if not isinstance(model, str | None):
        raise StackError(tr("{model!r} is no model. Write a name, or {{spec: name, temperature: 0, …}}.", model=model))
    return load_model(model)


def _model_name(model: BaseChatModel) -> Any:
    """The name by which `load_model` loads a model, with its settings where it has any."""
    kind = type(model).__name__
    name = getattr(model, "model_name", None) or getattr(model, "model", None)
    if kind == "QuoteChatModel":
        spec = "quote"
    elif kind == "OpenAICompatibleChatModel":
        provider = getattr(model, "provider", "")
        spec = f"{provider}:{name}" + (
            f"@{getattr(model, 'openai_api_base', '')}" if provider == "openai_compatible" else ""
        )
    elif kind == "TransformersChatModel":
        spec = f"transformers:{name}"
    else:
        return kind
    given = {
        key: getattr(model, key)
        for key in _SETTINGS
        if key in model.model_fields_set and getattr(model, key) is not None
    }
    return {"spec": spec, **given} if given else spec


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(inside) for key, inside in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(inside) for inside in value]
    return str(value) if isinstance(value, Path) else type(value).__name__


def _take(data: Data, owner: str, name: str) -> Any:
    if name not in data:
        raise StackError(tr("{owner} needs {name!r}.", owner=owner, name=name))
    return data.pop(name)
