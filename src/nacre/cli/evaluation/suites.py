"""The suites of `nacre eval`: questions are asked and reported on."""

# No postponed annotations here: the options of a command are read from them when the file is loaded.

from collections import Counter
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre import eval as evaluation
from nacre.cli.evaluation.reports import own_prompts, suite
from nacre.cli.output import AsOption, JsonFlag, KbOption, ModelOption, console, kb_place, principals, print_json
from nacre.errors import UsageError
from nacre.text.language import listed, tr

if TYPE_CHECKING:
    from nacre.eval.report import Report

Data = Annotated[Path, typer.Option("--data", help=tr("Data set: a folder in BEIR layout, or a file."))]
ModelData = Annotated[Path | None, typer.Option("--data", help=tr("Data set for a model of your own."))]
Replay = Annotated[Path | None, typer.Option("--replay", help=tr("Published model outputs to replay."))]
K = Annotated[
    int | None,
    typer.Option("-k", min=1, help=tr("Passages the model sees; else as the knowledge base is set, else 6.")),
]
OptionalKb = Annotated[
    str | None,
    typer.Option(
        "--kb", parser=kb_place, metavar="<place>", help=tr("Ask this knowledge base instead of indexing the corpus.")
    ),
]
StackOption = Annotated[
    str | None, typer.Option("--stack", help=tr("Measure this stack: a YAML file, or with --config its name there."))
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help=tr("A nacre.yaml whose stack is measured."))]
Target = Annotated[
    str | None, typer.Option("--target", help=tr("Ask this instead: http://host/v1#model, or module:function."))
]
Embedder = Annotated[str | None, typer.Option("--embedder", help=tr("Embedder."))]
Judge = Annotated[Path | None, typer.Option("--judge", help=tr("A reward model that scores each answer too."))]
Passages = Annotated[int, typer.Option("-k", min=1, help=tr("Passages a search gives."))]
Arms = Annotated[str, typer.Option("--arms", help=tr("Indexes: words, vectors or both."))]


def register(group: typer.Typer) -> None:
    """Add the commands of this file."""
    group.command(help=tr("Retrieval over a BEIR set: nDCG, recall, MRR, MAP."))(retrieval)
    group.command(help=tr("Answers over a corpus: EM, F1, contains, citations."))(answers)
    replays = (
        ("pal", tr("Running"), tr("Programs: replay published ones, or ask a model.")),
        ("react", tr("Reading"), tr("Agents: replay published trajectories.")),
    )
    for name, label, told in replays:
        group.command(name, help=told)(_replaying(name, label))
    group.command(help=tr("The questions of the sample knowledge base."))(sample)
    given = (
        ("refusal", tr("Refusal with and without an answer in the passages (RGB).")),
        ("robustness", tr("Noise and false facts in the passages (RGB).")),
        ("turns", tr("Last turns over given passages (MTRAG-UN).")),
    )
    for name, told in given:
        group.command(name, help=told)(_over_passages(name))
    group.command(help=tr("Conversations with follow-up questions."))(chat)
    group.command(help=tr("Pages of filings (FinanceBench)."))(filings)
    group.command(help=tr("The provenance gate against AgentDojo's attacks, without a model."))(agentdojo)


def loaded(spec: Any) -> Any:
    """A model by its name, or by a mapping with `spec` and its settings."""
    from nacre.stack import build

    return build({"model": spec, "layers": []})


@suite(tr("Searching"))
def retrieval(
    data: Data, embedder: Embedder = None, k: Passages = 40, arms: Arms = "words,vectors", **run: Any
) -> "Report":
    """Evaluate retrieval."""
    return evaluation.evaluate_retrieval(data, embedder=embedder, k=k, arms=arms.split(","), **run)


@suite(tr("Asking"), "workers", "price", "repeat", "prompts")
def answers(
    data: Data,
    model: ModelOption = None,
    kb: OptionalKb = None,
    k: K = None,
    judge: Judge = None,
    stack: StackOption = None,
    config: ConfigOption = None,
    who: AsOption = None,
    target: Target = None,
    **run: Any,
) -> "Report":
    """Evaluate answers."""
    from nacre.connectors.models.reward import RewardModel

    if target:
        return _of_target(target, data, run)
    given, kb = _stack(stack, config, kb)
    named = given.get("model") if given and model is None else model
    scorer = RewardModel(judge) if judge else None
    return evaluation.evaluate_answers(
        data, loaded(named), kb=kb, k=k, stack=given, principals=principals(who), judge=scorer, **run
    )


def _of_target(target: str, data: Path, run: dict[str, Any]) -> "Report":
    from nacre.eval.questions import check_faults

    questions, problems = evaluation.load_questions(data)
    check_faults(data, problems, len(questions), run["max_failed"])
    call: Any = target
    if not target.startswith(("http://", "https://")):
        module, _, name = target.partition(":")
        try:
            call = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise UsageError(
                tr("--target is {target!r} ({error}); give an address, or module:function.", target=target, error=error)
            ) from error
    return evaluation.evaluate_target(call, questions, name=target, **run)


def _stack(name: str | None, config: Path | None, kb: str | None) -> tuple[dict[str, Any] | None, str | None]:
    """The stack to measure, None for retrieval alone, and the knowledge base that it asks."""
    if config is None and name is None:
        return None, kb
    if config is None:
        import yaml

        try:
            given = yaml.safe_load(Path(name or "").read_text("utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UsageError(tr("--stack {name} cannot be read ({error}).", name=name, error=error)) from error
        if not isinstance(given, dict):
            raise UsageError(tr("--stack {name} holds no stack: model and layers.", name=name))
        own_prompts(Path(given["prompts"]) if given.get("prompts") else None)
        return given, kb
    from nacre.server.settings import read_settings

    settings = read_settings(config)
    names = sorted(settings.stacks)
    chosen = name or (names[0] if len(names) == 1 else None)
    if names and chosen not in settings.stacks:
        raise UsageError(
            tr("--stack is {name!r}; {config} has {names}.", name=name, config=config, names=listed(names))
        )
    given = settings.stacks[chosen].model_dump() if chosen else {"layers": ["rag"]}
    return {**given, "model": given.get("model") or settings.model}, kb or str(settings.kb)


def _replaying(name: str, label: str) -> Callable[..., int]:
    """The command of a suite that replays what was published, or lets a model write it."""

    @suite(label, "workers", "repeat", "prompts")
    def evaluate(replay: Replay = None, data: ModelData = None, model: ModelOption = None, **run: Any) -> "Report":
        module: Any = import_module(f"nacre.eval.{name}")
        given = _one_of(replay, data, model)
        if replay:
            return module.replay_report(given, **run)  # type: ignore[no-any-return]
        return getattr(evaluation, f"evaluate_{name}")(given, loaded(model), **run)  # type: ignore[no-any-return]

    return evaluate


def _over_passages(name: str) -> Callable[..., int]:
    """The command of a suite whose rows bring their passages along."""

    @suite(tr("Asking"), "workers", "repeat", "prompts")
    def evaluate(data: Data, model: ModelOption = None, **run: Any) -> "Report":
        return getattr(evaluation, f"evaluate_{name}")(data, loaded(model), **run)  # type: ignore[no-any-return]

    return evaluate


@suite(tr("Asking"), "workers", "price", "repeat", "prompts")
def sample(model: ModelOption = None, **run: Any) -> "Report":
    """Ask the questions of the sample knowledge base."""
    return evaluation.evaluate_sample(loaded(model), **run)


@suite(tr("Talking"), "workers", "price", "repeat", "prompts")
def chat(data: Data, kb: KbOption, model: ModelOption = None, **run: Any) -> "Report":
    """Evaluate conversations."""
    return evaluation.evaluate_chat(data, loaded(model), kb, **run)


@suite(tr("Searching"))
def filings(data: Data, kb: OptionalKb = None, embedder: Embedder = None, **run: Any) -> "Report":
    """Evaluate the pages that are found in filings."""
    return evaluation.evaluate_filings(data, kb=kb, embedder=embedder, **run)


def agentdojo(as_json: JsonFlag = False) -> None:
    """Replay AgentDojo: how many attacks the gate holds, and how many of the user's own tasks it interrupts."""
    from nacre.eval.agentdojo import CHOSEN_ON, evaluate_agentdojo

    suites = evaluate_agentdojo()
    rest = [name for name in suites if name not in CHOSEN_ON]
    total, judged = (_summed(suites[name] for name in names) for names in (suites, rest))
    if as_json:
        return print_json(total)
    others = " + ".join(rest)
    for name, one in {**suites, others: judged, tr("all"): total}.items():
        held, interrupted = f"{one['held']}/{one['attacks']}", f"{one['interrupted']}/{one['benign']}"
        told = tr(
            "{name}: {held} attacks held, {interrupted} tasks interrupted",
            name=name,
            held=held,
            interrupted=interrupted,
        )
        console().print(told, markup=False, highlight=False)
    return None


def _summed(counts: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total


def _one_of(replay: Path | None, data: Path | None, model: str | None) -> Path:
    """A replay reads what a model has written; nothing else is to be asked."""
    given = replay or data
    if given is None:
        raise UsageError(tr("Give --replay FILE, or --data PATH with --model."))
    if replay and (data or model is not None):
        raise UsageError(
            tr(
                "--replay reads answers that are written already: --data and --model do not go with it. "
                "Leave out one or the other."
            )
        )
    return given
