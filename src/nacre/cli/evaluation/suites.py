"""The suites of `nacre eval`: questions are asked and reported on."""

# No postponed annotations here: the options of a command are read from them when the file is loaded.

from collections import Counter
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from nacre import eval as evaluation
from nacre.cli.evaluation.reports import own_prompts, suite
from nacre.cli.output import AsOption, JsonFlag, KbOption, ModelOption, command, named, principals, print_json, say
from nacre.errors import UsageError
from nacre.text.language import N_, listed, tr

if TYPE_CHECKING:
    from nacre.eval.report import Report

Data = Annotated[Path, Option("--data", help=tr("Data set: a folder in BEIR layout, or a file."))]
ModelData = Annotated[Path | None, Option("--data", help=tr("Data set for a model of your own."))]
Replay = Annotated[Path | None, Option("--replay", help=tr("Published model outputs to replay."))]
K = Annotated[
    int | None, Option("-k", min=1, help=tr("Passages the model sees; else as the knowledge base is set, else 6."))
]
OptionalKb = Annotated[
    str | None,
    Option("--kb", parser=named, metavar="<place>", help=tr("Ask this knowledge base instead of indexing the corpus.")),
]
StackOption = Annotated[
    str | None, Option("--stack", help=tr("Measure this stack: a YAML file, or with --config its name there."))
]
ConfigOption = Annotated[Path | None, Option("--config", help=tr("A nacre.yaml whose stack is measured."))]
Target = Annotated[
    str | None, Option("--target", help=tr("Ask this instead: http://host/v1#model, or module:function."))
]
Embedder = Annotated[str | None, Option("--embedder", help=tr("Embedder."))]
Judge = Annotated[Path | None, Option("--judge", help=tr("A reward model that scores each answer too."))]
Passages = Annotated[int, Option("-k", min=1, help=tr("Passages a search gives."))]
Arms = Annotated[str, Option("--arms", help=tr("Indexes: words, vectors or both."))]
_ALL = ("workers", "price", "repeat", "prompts")


def loaded(spec: Any) -> Any:
    """A model by its name, or by a mapping with `spec` and its settings."""
    from nacre.stack import build

    return build({"model": spec, "layers": []})


@suite("retrieval", N_("Retrieval over a BEIR set: nDCG, recall, MRR, MAP."), tr("Searching"))
def retrieval(
    data: Data, embedder: Embedder = None, k: Passages = 40, arms: Arms = "words,vectors", **run: Any
) -> "Report":
    return evaluation.evaluate_retrieval(data, embedder=embedder, k=k, arms=arms.split(","), **run)


@suite("answers", N_("Answers over a corpus: EM, F1, contains, citations."), tr("Asking"), *_ALL)
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
        told = tr("--stack is {name!r}; {config} has {names}.", name=name, config=config, names=listed(names))
        raise UsageError(told)
    given = settings.stacks[chosen].model_dump() if chosen else {"layers": ["rag"]}
    return {**given, "model": given.get("model") or settings.model}, kb or str(settings.kb)


def _replaying(name: str, told: str, label: str) -> Callable[..., int]:
    """The command of a suite that replays what was published, or lets a model write it."""

    @suite(name, told, label, "workers", "repeat", "prompts")
    def evaluate(replay: Replay = None, data: ModelData = None, model: ModelOption = None, **run: Any) -> "Report":
        module: Any = import_module(f"nacre.eval.{name}")
        given = _one_of(replay, data, model)
        if replay:
            return module.replay_report(given, **run)  # type: ignore[no-any-return]
        return getattr(evaluation, f"evaluate_{name}")(given, loaded(model), **run)  # type: ignore[no-any-return]

    return evaluate


pal = _replaying("pal", N_("Programs: replay published ones, or ask a model."), tr("Running"))
react = _replaying("react", N_("Agents: replay published trajectories."), tr("Reading"))


def _over_passages(name: str, told: str) -> Callable[..., int]:
    """The command of a suite whose rows bring their passages along."""

    @suite(name, told, tr("Asking"), "workers", "repeat", "prompts")
    def evaluate(data: Data, model: ModelOption = None, **run: Any) -> "Report":
        return getattr(evaluation, f"evaluate_{name}")(data, loaded(model), **run)  # type: ignore[no-any-return]

    return evaluate


refusal = _over_passages("refusal", N_("Refusal with and without an answer in the passages (RGB)."))
robustness = _over_passages("robustness", N_("Noise and false facts in the passages (RGB)."))
turns = _over_passages("turns", N_("Last turns over given passages (MTRAG-UN)."))


@suite("sample", N_("The questions of the sample knowledge base."), tr("Asking"), *_ALL)
def sample(model: ModelOption = None, **run: Any) -> "Report":
    return evaluation.evaluate_sample(loaded(model), **run)


@suite("chat", N_("Conversations with follow-up questions."), tr("Talking"), *_ALL)
def chat(data: Data, kb: KbOption, model: ModelOption = None, **run: Any) -> "Report":
    return evaluation.evaluate_chat(data, loaded(model), kb, **run)


@suite("filings", N_("Pages of filings (FinanceBench)."), tr("Searching"))
def filings(data: Data, kb: OptionalKb = None, embedder: Embedder = None, **run: Any) -> "Report":
    return evaluation.evaluate_filings(data, kb=kb, embedder=embedder, **run)


@command("eval agentdojo", N_("The provenance gate against AgentDojo's attacks, without a model."))
def agentdojo(as_json: JsonFlag = False) -> None:
    from nacre.eval.agentdojo import CHOSEN_ON, evaluate_agentdojo

    suites = evaluate_agentdojo()
    rest = [name for name in suites if name not in CHOSEN_ON]
    total, judged = (_summed(suites[name] for name in names) for names in (suites, rest))
    if as_json:
        return print_json(total)
    others = " + ".join(rest)
    for name, one in {**suites, others: judged, tr("all"): total}.items():
        held, interrupted = f"{one['held']}/{one['attacks']}", f"{one['interrupted']}/{one['benign']}"
        counts = {"name": name, "held": held, "interrupted": interrupted}
        say(tr("{name}: {held} attacks held, {interrupted} tasks interrupted", **counts))
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
        told = tr(
            "--replay reads answers that are written already: --data and --model do not go with it. Leave out one or "
            "the other."
        )
        raise UsageError(told)
    return given


@suite("judge", N_("Let a model judge the answers of a report."), tr("Judging"), "workers", "price", "prompts")
def judge(
    report: Annotated[Path | None, Argument(help=tr("A report with answers."))] = None,
    against: Annotated[Path | None, Option("--against", help=tr("A later report: which one answers better?"))] = None,
    labelled: Annotated[
        Path | None,
        Option(
            "--labelled",
            help=tr("Answers judged by people instead of a report; 'builtin' takes the set that comes along."),
        ),
    ] = None,
    model: ModelOption = None,
    criteria: Annotated[
        str | None,
        Option(
            "--criteria", help=tr("Comma separated; else all of ours, with 'correct' where there are gold answers.")
        ),
    ] = None,
    retries: Annotated[int, Option("--retries", min=0, help=tr("Tries again after a 429 and the like."))] = 4,
    **run: Any,
) -> "Report":
    from nacre.connectors.models import load_model
    from nacre.eval import judge as judging
    from nacre.eval.report import read_report
    from nacre.layers.retry import Retry

    if (report is None) == (labelled is None):
        raise UsageError(tr("Give a report, or --labelled FILE."))
    judging_model = Retry(inner=load_model(model), attempts=retries + 1)
    if report and against:
        return judging.judge_pairs(read_report(report), read_report(against), judging_model, **run)
    items = read_report(report)["items"] if report else judging.load_labelled(_labelled(labelled))
    given = any("gold" in item for item in items)
    names = criteria.split(",") if criteria else [*judging.CRITERIA, *(["correct"] if given else [])]
    return judging.judge_answers(items, judging_model, criteria=names, name=str(report or labelled), **run)


def _labelled(path: Path | None) -> Path:
    import nacre.eval

    return Path(nacre.eval.__file__).parent / "labelled.jsonl" if path is None or str(path) == "builtin" else path
