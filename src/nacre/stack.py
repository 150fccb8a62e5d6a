"""A stack is data: a model's name and the layers around it, outermost first. The only place that composes everything.

::

    model: quote                      # or {spec: "openai:gpt-5", temperature: 0}
    layers:
      - moderation                    # sees what the user sees, so it is outermost
      - use: memory                   # keeps the conversation, and none of the retrieved text
        store: sessions.sqlite
      - cache                         # its key holds the history and everything below
      - decomposition                 # asks a compound question in parts; summary: of whole documents
      - use: rag                      # adds sources to the question
        kb: ./kb
        k: 6
      - use: few_shot                 # shows how, after what is known
        examples: [["1 + 1?", "2"]]
      - pal                           # or react: computes or acts with all that in its prompt
      - retry                         # next to the model, so that only its call is repeated

A layer of one's own is named `use: package.module:Class`, or by its entry point of the group `nacre.layers`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre import prompts
from nacre.errors import StackError
from nacre.stack_file import plain, read_stack
from nacre.text.language import listed, tr
from nacre.validation import expect

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from nacre.agents.fact_store import FactStore
    from nacre.decorator.layer import ChatModelDecorator
    from nacre.retrieval.knowledge_base import KnowledgeBase

Data = dict[str, Any]
ENTRY_POINTS = "nacre.layers"
_PLACE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
# What shapes a model's answers and may stand beside its name.
_SETTINGS = ("temperature", "top_p", "top_k", "max_tokens", "seed", "adapter", "sentences")


@dataclass(frozen=True)
class Context:
    """What whoever builds a stack decides for all its layers; None leaves it to the stack."""

    kb: KnowledgeBase | None = None
    principals: Sequence[str] | None = None
    facts: FactStore | None = None
    inner: BaseChatModel | None = None  # the model inside the layer that is being built

    def refuse(self, layer: str, data: Data) -> None:
        """Refuse arguments that say what is decided already."""
        decided = {name for name, value in vars(self).items() if value is not None}
        if mine := sorted(decided & set(data)):
            told = tr(
                "{layer} sets {mine}, which is decided where the stack is built: in a server, by its knowledge base "
                "and by the key. Take it out.",
                layer=layer,
                mine=listed(mine),
            )
            raise StackError(told)

    def base(self, data: Data, layer: str) -> KnowledgeBase:
        """The knowledge base that a layer searches: the one given to all, else the one that its data names."""
        from nacre.retrieval.knowledge_base import KnowledgeBase

        return KnowledgeBase.open(_take(data, layer, "kb"), create=False) if self.kb is None else self.kb

    def who(self, data: Data) -> Sequence[str] | None:
        """As whom a layer searches, taken out of its arguments where nothing is decided."""
        return data.pop("principals", None) if self.principals is None else self.principals


@dataclass(frozen=True)
class Layer:
    """How a layer is named in a stack: where its class is, its fields from the arguments there, and the way back."""

    where: str
    fields: Callable[[Data, Context], Data] = lambda data, context: data
    data: Callable[[Data], Data] = lambda fields: fields

    def kind(self) -> type[ChatModelDecorator]:
        """The layer's class, imported when it is first needed."""
        from nacre.decorator.layer import ChatModelDecorator

        module, name = self.where.split(":")
        try:
            kind = getattr(import_module(module), name)
        except Exception as error:  # whatever a module of the user's raises
            told = tr(
                "The layer {where} cannot be imported: {error}. Install its package, or put its folder on PYTHONPATH.",
                where=self.where,
                error=f"{type(error).__name__}: {error}",
            )
            raise StackError(told) from error
        if not (isinstance(kind, type) and issubclass(kind, ChatModelDecorator)):
            raise StackError(tr("{where} is no layer: it must be a subclass of ChatModelDecorator.", where=self.where))
        return kind


def _rag_fields(data: Data, context: Context) -> Data:
    from nacre.retrieval.retriever import retriever_of
    from nacre.store.filters import Filter

    base, fields = context.base(data, "rag"), data.pop("where", None)  # that documents must have: {product: PX-200}
    where = Filter(fields=fields) if fields else None
    retriever = retriever_of(base, k=data.pop("k", None), principals=context.who(data), where=where)
    return {"retriever": retriever, **data}


def _rag_data(fields: Data) -> Data:
    retriever = fields.pop("retriever")
    base = getattr(retriever, "knowledge_base", None)
    if base is None:
        return {"retriever": type(retriever).__name__, **fields}
    where = dict(retriever.where.fields) if retriever.where else None
    named = {"kb": base.place, "k": retriever.k, "principals": retriever.principals, "where": where or None}
    return {**{name: value for name, value in named.items() if value is not None}, **fields}


def _summary_fields(data: Data, context: Context) -> Data:
    return {"knowledge_base": context.base(data, "summary"), "principals": context.who(data), **data}


def _summary_data(fields: Data) -> Data:
    named = {name: value for name, value in fields.items() if value is not None and name != "knowledge_base"}
    return {"kb": getattr(fields["knowledge_base"], "place", "knowledge_base"), **named}


def _fallback_fields(data: Data, context: Context) -> Data:
    others = _take(data, "fallback", "others")
    return {"others": [_load(model) for model in ([others] if isinstance(others, str) else others)], **data}


def _fallback_data(fields: Data) -> Data:
    return {**fields, "others": [explain(model)["model"] for model in fields["others"]]}


def _react_fields(data: Data, context: Context) -> Data:
    from nacre.tools import make_tools

    named = data.pop("tools", None) or []
    kb = data.pop("kb", None) if context.kb is None else context.kb if "kb" in named else None
    who = context.who(data)
    return {"tools": make_tools(named, kb=kb, principals=who, facts=context.facts, model=context.inner), **data}


def _react_data(fields: Data) -> Data:
    from nacre.tools import tool_names

    return {**fields, **tool_names(fields.get("tools", ()))}


def _best_of_fields(data: Data, context: Context) -> Data:
    from nacre.connectors.models.reward import RewardModel

    judge = _take(data, "best_of", "judge")
    return {"judge": RewardModel(judge) if isinstance(judge, str | Path) else judge, **data}


def _best_of_data(fields: Data) -> Data:
    return {**fields, "judge": str(getattr(fields["judge"], "folder", type(fields["judge"]).__name__))}


def _pal_fields(data: Data, context: Context) -> Data:
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
    "decomposition": Layer("nacre.layers.decomposition:Decomposition"),
    "summary": Layer("nacre.layers.summary:Summary", _summary_fields, _summary_data),
    "rag": Layer("nacre.layers.rag:RetrievalAugmented", _rag_fields, _rag_data),
    "self_consistency": Layer("nacre.layers.self_consistency:SelfConsistency"),
    "best_of": Layer("nacre.layers.best_of:BestOf", _best_of_fields, _best_of_data),
    "few_shot": Layer("nacre.layers.few_shot:FewShot"),
    "chain_of_thought": Layer("nacre.layers.chain_of_thought:ChainOfThought"),
    "pal": Layer("nacre.layers.pal:ProgramAided", _pal_fields, _pal_data),
    "react": Layer("nacre.layers.react:ReAct", _react_fields, _react_data),
    "fallback": Layer("nacre.layers.fallback:Fallback", _fallback_fields, _fallback_data),
    "retry": Layer("nacre.layers.retry:Retry"),
}

# (outer, inner): why not. Every other order works, if not always as well as the one above.
ILLEGAL: Mapping[tuple[str, str], tuple[str, str]] = {
    ("rag", "memory"): ("the memory would keep the retrieved text of every turn", "记忆会保存每一轮检索到的文本"),
    ("decomposition", "memory"): ("every part would be remembered", "每个子问题都会被记住"),
    ("few_shot", "memory"): ("the memory would keep the examples as if said", "记忆会把示例当作真实对话保存"),
    ("cache", "memory"): ("a cached answer would skip the memory", "命中缓存会跳过记忆，下一问将缺少这一轮"),
    ("memory", "moderation"): ("the memory would keep what moderation refused", "记忆会保存被审核拒绝的内容"),
    ("cache", "moderation"): ("a cached answer would skip moderation", "命中缓存会跳过审核"),
    ("retry", "memory"): ("a second try would find the question already in the memory", "重试时记忆中已有该问题"),
    ("self_consistency", "memory"): ("every sample would be remembered", "每个样本都会被记住"),
    ("best_of", "memory"): ("every sample would be remembered", "每个样本都会被记住"),
}


def build(
    stack: Mapping[str, Any] | str | Path,
    *,
    kb: KnowledgeBase | str | Path | None = None,
    principals: Sequence[str] | None = None,
    leaf: BaseChatModel | None = None,
    facts: FactStore | None = None,
) -> BaseChatModel:
    """Make a model from a stack.

    Args:
        stack: a mapping with `model` (a name, or a mapping with `spec` and the model's settings), `layers`
            (outermost first; names, or mappings with `use` and the layer's arguments) and where wanted `prompts` (a
            folder of prompts of one's own, for the whole process); or the path of a YAML file that holds one. It may
            name code to import (`use: package.module:Class`), so it must be the user's own.
        kb: what all its layers search; where it is given, a stack that names its own is refused.
        principals: as whom they search, likewise; `["*"]` finds what everyone may see.
        leaf: the innermost model, in place of `model`.
        facts: where its agents keep facts, if they have the tool `facts`.

    Returns:
        The decorated model.

    Raises:
        StackError: the stack is malformed, names an unknown layer, or has an order that cannot work.

    Example:
        >>> build({"model": "quote", "layers": ["retry"]}).inner._llm_type
        'nacre-quote'
    """
    from langchain_core.language_models import BaseChatModel

    from nacre.retrieval.knowledge_base import KnowledgeBase

    expect(leaf, "leaf", BaseChatModel, type(None))
    data = read_stack(stack) if isinstance(stack, (str, Path)) else stack
    if not isinstance(data, Mapping) or not isinstance(data.get("layers") or [], (list, tuple)):
        raise StackError(tr("A stack is a mapping with 'model' and a list of 'layers', not {data!r}.", data=data))
    if unknown := set(data) - {"model", "layers", "prompts"}:
        told = tr("A stack has 'model', 'layers' and 'prompts'; {unknown} is unknown.", unknown=sorted(unknown))
        raise StackError(told)
    if data.get("prompts"):
        prompts.use(str(data["prompts"]))
    layers = [(name, layer_named(name), arguments) for name, arguments in map(named, data.get("layers") or [])]
    _check_order([name for name, _, _ in layers])
    context = Context(KnowledgeBase.open(kb, create=False) if isinstance(kb, (str, Path)) else kb, principals, facts)
    for name, _, arguments in layers:
        context.refuse(name, arguments)
    model = _load(data.get("model")) if leaf is None else leaf
    for _, layer, arguments in reversed(layers):
        model = layer.kind()(inner=model, **layer.fields(arguments, replace(context, inner=model)))
    return model


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
    layers: list[Any] = []
    while isinstance(model, ChatModelDecorator):
        name = _name_of(type(model))
        # LangChain's own fields (callbacks, tags, …) and the inner model are not the layer's arguments.
        own = model.model_fields_set - set(ChatModelDecorator.model_fields)
        fields = {field: getattr(model, field) for field in own}
        arguments = LAYERS[name].data(fields) if name in LAYERS else fields
        layers.append({"use": name, **{key: plain(value) for key, value in sorted(arguments.items())}})
        model = model.inner
    return {"model": _model_name(model), "layers": [entry["use"] if len(entry) == 1 else entry for entry in layers]}


def named(entry: Any) -> tuple[str, Data]:
    """A layer's name and its arguments, as they stand in a stack."""
    whole = {"use": entry} if isinstance(entry, str) else entry
    if not isinstance(whole, Mapping) or not all(isinstance(key, str) for key in whole) or "use" not in whole:
        raise StackError(tr("{entry!r} is not a layer. Write a name, or {{use: name, …}}.", entry=entry))
    return str(whole["use"]), {key: value for key, value in whole.items() if key != "use"}


def layer_named(name: str) -> Layer:
    """A layer by its name: ours, `package.module:Class`, or that of an entry point."""
    if name in LAYERS:
        return LAYERS[name]
    if _PLACE.fullmatch(name):
        return Layer(name)
    installed = _installed()
    if name in installed:
        return Layer(installed[name])
    known = [*LAYERS, *sorted(installed)]
    near = difflib.get_close_matches(name, known, n=1)
    told = tr(
        "{name!r} is not a layer.{hint} There are: {known}. One of your own: package.module:Class.",
        name=name,
        hint=tr(" Did you mean {near!r}?", near=near[0]) if near else "",
        known=listed(known),
    )
    raise StackError(told)


def _installed() -> dict[str, str]:
    """The layers of installed packages by name, and where they are; ours cannot be replaced."""
    from importlib.metadata import entry_points

    found = entry_points(group=ENTRY_POINTS)
    return {point.name: f"{point.module}:{point.attr}" for point in found if point.name not in LAYERS}


def _name_of(kind: type) -> str:
    """What a layer's class is called in a stack; its bare name where it cannot be imported."""
    where = f"{kind.__module__}:{kind.__qualname__}"
    ours = {layer.where: name for name, layer in LAYERS.items()}
    if where in ours:
        return ours[where]
    installed = {place: name for name, place in _installed().items()}
    importable = _PLACE.fullmatch(where) and kind.__module__ != "__main__"
    return installed.get(where) or (where if importable else kind.__name__)


def _check_order(names: list[str]) -> None:
    for at, outer in enumerate(names):
        for inner in names[at + 1 :]:
            if why := ILLEGAL.get((outer, inner)):
                told = tr(
                    "{outer} cannot stand outside {inner}: {why}. Put {inner} first.",
                    outer=outer,
                    inner=inner,
                    why=why[0],
                    why2=why[1],
                )
                raise StackError(told)


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
    spec = getattr(model, "spec", None)
    if not isinstance(spec, str):
        return type(model).__name__
    given = {
        key: getattr(model, key)
        for key in _SETTINGS
        if key in model.model_fields_set and getattr(model, key) is not None
    }
    return {"spec": spec, **given} if given else spec


def _take(data: Data, owner: str, name: str) -> Any:
    if name not in data:
        raise StackError(tr("{owner} needs {name!r}.", owner=owner, name=name))
    return data.pop(name)
