"""Every method on tiny models of three families: the loss falls, and what is saved answers as it was trained."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import nacre
from nacre.connectors.models.reward import RewardModel
from nacre.errors import FinetuningError, ModelError
from nacre.finetuning import training
from nacre.finetuning.encoding import Encoder, messages_of
from nacre.finetuning.launching import launch
from nacre.finetuning.merging import merge
from nacre.finetuning.methods import adapter, answers_loss
from nacre.finetuning.plan import RATES as RATE_AT
from nacre.finetuning.plan import Plan
from nacre.finetuning.rows import read_rows
from nacre.finetuning.training import Trained, load_trainable, train
from nacre.finetuning.watching import last_checkpoint
from nacre.system import child_process

torch, peft = pytest.importorskip("torch"), pytest.importorskip("peft")
pytest.importorskip("trl", reason="fine-tuning needs the extra `finetune`")
pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' notes to each other

FAMILIES = ("llama", "glm4", "qwen2")
RATES = {
    "lora": 5e-3,
    "prefix": 5e-2,
    "prompt": 5e-2,
    "ptuning": 5e-3,
    "full": 3e-3,
    "dpo": 2e-3,
    "kto": 2e-3,
    "reward": 5e-3,
    "grpo": 1e-4,
}
FORMS = {"dpo": "pairs", "kto": "thumbs", "reward": "pairs"}
STEPS = 8

Rows = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]
Go = Callable[..., Trained]


@pytest.fixture
def trained(bases: dict[str, Path], some_rows: Rows, write_rows: Write, tmp_path: Path) -> Go:
    def go(family: str, method: str, **settings: Any) -> Trained:
        data = write_rows(some_rows(FORMS.get(method, "answers")))
        told = {name: settings.pop(name) for name in ("resume", "on_progress", "on_problem") if name in settings}
        plan = {"steps": STEPS, "rate": RATES.get(method), "virtual": 8, "rank": 8, "patience": 0, **settings}
        return train(
            Plan(
                **{
                    "base": str(bases[family]),
                    "data": str(data),
                    "out": str(tmp_path / "out"),
                    "method": method,
                    **plan,
                }
            ),
            **told,
        )

    return go


def greedy(folder: Path, adapter: Path | None, row: Any) -> str:
    """The answer by PEFT's own forward, token by token, without a cache."""
    model, tokenizer = load_trainable(str(folder), "lora")
    if adapter:
        model = peft.PeftModel.from_pretrained(model, str(adapter))
    encoder = Encoder.of(model, tokenizer)
    ids, prompt = list(encoder.prompt(row)), len(encoder.prompt(row))
    with torch.inference_mode():
        for _ in range(10):
            x = torch.tensor([ids])
            ids.append(int(model.eval()(input_ids=x, attention_mask=torch.ones_like(x)).logits[0, -1].argmax()))
            if ids[-1] in encoder.stops:
                break
    return str(tokenizer.decode(ids[prompt:], skip_special_tokens=True))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["lora", "prefix", "prompt", "ptuning", "full"])
def test_a_method_learns_and_is_served_as_it_was_trained(
    trained: Callable[..., Trained], bases: dict[str, Path], tmp_path: Path, family: str, method: str
) -> None:
    done = trained(family, method)
    assert done.steps == STEPS and done.loss_last < done.loss_first
    out = Path(done.out)
    card = json.loads((out / "nacre.json").read_text())
    assert card["base_model"] == f"transformers:{bases[family]}" and len(card["base_hash"]) == 64
    assert len(card["curves"]) == STEPS and (out / "report.html").read_text().count("<polyline") == 1
    assert not (out / "checkpoints").exists()
    row = read_rows(out / "held_out.jsonl")[0][0]
    if method == "full":
        assert answer(f"transformers:{out}", row) == greedy(out, None, row) != greedy(bases[family], None, row)
        return
    told = answer(f"transformers:{bases[family]}", row, adapter=str(out))
    assert told == greedy(bases[family], out, row) != greedy(bases[family], None, row)


def answer(spec: str, row: Any, **settings: Any) -> str:
    model = nacre.load_model(spec, temperature=0, max_tokens=10, **settings)
    return model.invoke(messages_of(row.prompt)).text


def test_an_adapter_merges_with_the_same_answers_and_a_prefix_does_not(trained: Go, tmp_path: Path) -> None:
    for family in FAMILIES:
        out, merged = tmp_path / family, tmp_path / f"{family}-merged"
        trained(family, "lora", out=str(out), rate=2e-2, steps=12)
        rows = read_rows(out / "held_out.jsonl")[0]
        done = merge(out, merged)
        assert done.compared == len(rows) >= 8 and not list(tmp_path.glob(f".{merged.name}*"))
        told = {answer(f"transformers:{merged}", row) for row in rows}
        assert len(told) > 1 and json.loads((merged / "nacre.json").read_text())["kind"] == "model"
    with pytest.raises(FinetuningError, match="is there already"):
        merge(out, merged)
    trained("llama", "prefix", out=str(tmp_path / "prefix"), steps=1)
    with pytest.raises(FinetuningError, match="only a LoRA adapter"):
        merge(tmp_path / "prefix", tmp_path / "no")


def test_a_merged_model_that_answers_otherwise_is_not_kept(trained: Go, tmp_path: Path, monkeypatch: Any) -> None:
    trained("llama", "lora", rate=2e-2, steps=12)
    monkeypatch.setattr(
        peft.LoraModel, "merge_and_unload", lambda self, *args, **kwargs: self.unload()
    )  # forgets the adapter
    with pytest.raises(FinetuningError, match="differently"):
        merge(tmp_path / "out", tmp_path / "merged")
    assert not (tmp_path / "merged").exists() and not list(tmp_path.glob(".merged*"))


@pytest.mark.parametrize("family", FAMILIES)
def test_preferences_raise_the_margin_and_are_served(trained: Go, bases: dict[str, Path], family: str) -> None:
    done = trained(family, "dpo")
    assert done.loss_first == pytest.approx(math.log(2), abs=0.02) and done.loss_last < 0.6
    row = read_rows(Path(done.out) / "held_out.jsonl")[0][0]
    before, after = (margin(bases[family], adapter, row) for adapter in (None, Path(done.out)))
    assert after > before
    assert answer(f"transformers:{bases[family]}", row, adapter=done.out) == greedy(bases[family], Path(done.out), row)


def margin(folder: Path, adapter: Path | None, row: Any) -> float:
    """How much likelier the better answer is, by the logarithm."""
    model, tokenizer = load_trainable(str(folder), "dpo")
    model = peft.PeftModel.from_pretrained(model, str(adapter)) if adapter else model
    ids = Encoder.of(model, tokenizer).compared(row)

    def likely(name: str) -> float:
        whole = torch.tensor([ids["prompt_ids"] + ids[name]])
        with torch.inference_mode():
            logits = model.eval()(input_ids=whole).logits[0, len(ids["prompt_ids"]) - 1 : -1].log_softmax(-1)
        return float(logits.gather(1, torch.tensor(ids[name])[:, None]).sum())

    return likely("chosen_ids") - likely("rejected_ids")


@pytest.mark.parametrize("virtual", [0, 8])
def test_the_loss_of_the_answers_is_that_of_the_whole(
    bases: dict[str, Path], virtual: int, write_rows: Write, some_rows: Rows
) -> None:
    model, tokenizer = load_trainable(str(bases["llama"]), "lora")
    encoder = Encoder.of(model, tokenizer)
    rows = [encoder.trained(row) for row in read_rows(write_rows(some_rows(count=3)))[0]]
    longest = max(len(row["input_ids"]) for row in rows)
    padded = {
        name: torch.tensor([[*row[name], *[fill] * (longest - len(row[name]))] for row in rows])
        for name, fill in (("input_ids", 0), ("labels", -100))
    }
    padded["attention_mask"] = (torch.arange(longest) < torch.tensor([[len(row["input_ids"])] for row in rows])).long()
    if virtual:
        plan = Plan("", "", "", method="prompt", virtual=virtual)
        model = peft.get_peft_model(model, adapter(plan))
    trainer = SimpleNamespace(accelerator=SimpleNamespace(num_processes=1))
    whole = float(model(**padded).loss)
    assert float(answers_loss(trainer, model, dict(padded))) == pytest.approx(whole, abs=1e-5)
    learnt = int((padded["labels"] != -100).sum())
    assert float(answers_loss(trainer, model, dict(padded), num_items_in_batch=learnt)) == pytest.approx(
        whole, abs=1e-5
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_thumbs_are_learnt_from_and_served(trained: Go, bases: dict[str, Path], family: str) -> None:
    done = trained(family, "kto")
    assert done.loss_last < done.loss_first
    row = read_rows(Path(done.out) / "held_out.jsonl")[0][0]
    assert answer(f"transformers:{bases[family]}", row, adapter=done.out) == greedy(bases[family], Path(done.out), row)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_reward_model_prefers_the_chosen_judges_and_chooses(
    trained: Go, bases: dict[str, Path], family: str, tmp_path: Path
) -> None:
    done = trained(family, "reward", steps=12)
    judge = RewardModel(done.out)
    for row in read_rows(Path(done.out) / "held_out.jsonl")[0]:
        better, worse = judge.score(messages_of(row.prompt), [row.answer, row.rejected])
        assert better > worse
    model = nacre.ScriptedChatModel(["No idea!", row.answer, "No idea!"])
    best = nacre.build({"layers": [{"use": "best_of", "judge": done.out, "samples": 3}]}, leaf=model)
    reply = best.invoke(messages_of(row.prompt))
    assert reply.text == row.answer and reply.response_metadata["nacre"]["reward"] == pytest.approx(better)
    assert nacre.explain(best)["layers"] == [{"use": "best_of", "judge": done.out, "samples": 3}]
    with pytest.raises(ModelError):
        RewardModel(bases[family])
    with pytest.raises(FinetuningError, match="cannot be merged"):
        merge(Path(done.out), tmp_path / "merged")


@pytest.mark.parametrize("family", FAMILIES)
def test_grpo_runs_with_rewards_that_can_be_checked(trained: Go, family: str) -> None:
    done = trained(family, "grpo", steps=2)
    assert done.steps == 2 and (Path(done.out) / "adapter_model.safetensors").is_file()


# --- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_killed_training_goes_on_at_its_step_with_the_same_loss(
    trained: Go, bases: dict[str, Path], some_rows: Rows, write_rows: Write, tmp_path: Path
) -> None:
    whole = trained("llama", "lora", out=str(tmp_path / "whole"), save_every=3)
    plan = Plan(base=str(bases["llama"]), data=str(tmp_path / "rows.jsonl"), out=str(tmp_path / "killed"), steps=STEPS,
                rate=RATES["lora"], virtual=8, rank=8, patience=0, save_every=3)  # fmt: skip
    kill = "def on(step, *_):\n    if step == 5: os.kill(os.getpid(), 9)\n"
    code = f"import os\nfrom nacre.finetuning.training import train\nfrom nacre.finetuning.plan import Plan\n{kill}train({plan!r}, on_progress=on)"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()[-500:]
    last = last_checkpoint(plan.checkpoints)
    assert last is not None and last.name == "checkpoint-3"
    steps: list[int] = []
    done = train(plan, resume=True, on_progress=lambda step, *_: steps.append(step))
    assert steps[0] == 4 and done.steps == STEPS
    assert [c["loss"] for c in done.curves] == pytest.approx([c["loss"] for c in whole.curves], abs=2e-4)
    assert not plan.checkpoints.exists()


def test_a_checkpoint_that_is_cut_short_is_passed_over(trained: Go, tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def stop(step: int, *_: Any) -> None:
        if step == 7:
            raise Enough

    with pytest.raises(Enough):
        trained("llama", "lora", save_every=2, on_progress=stop)
    checkpoints = tmp_path / "out" / "checkpoints"
    newest = checkpoints / "checkpoint-6"
    for name, size in (("adapter_model.safetensors", 40), ("optimizer.pt", 0), ("trainer_state.json", 9)):
        kept = (newest / name).read_bytes()
        assert last_checkpoint(checkpoints) == newest
        (newest / name).write_bytes(kept[:size])
        assert last_checkpoint(checkpoints) == checkpoints / "checkpoint-4"
        (newest / name).write_bytes(kept)


def test_a_loss_that_is_no_number_stops_before_it_is_kept(trained: Go, tmp_path: Path) -> None:
    with pytest.raises(FinetuningError, match=r"no number at step \d.*lower --rate") as told:
        trained("llama", "full", rate=1e18, save_every=1, steps=STEPS)
    last = last_checkpoint(tmp_path / "out" / "checkpoints")
    assert last is None or last.name in told.value.message


def test_out_of_memory_halves_the_batch_once_and_then_advises(trained: Go, tmp_path: Path, monkeypatch: Any) -> None:
    import transformers

    sizes: list[int] = []
    whole = transformers.Trainer.training_step

    def step(self: Any, model: Any, inputs: Any, *rest: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if len(inputs["input_ids"]) > room:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory")
        return whole(self, model, inputs, *rest)

    monkeypatch.setattr(transformers.Trainer, "training_step", step)
    room = 4  # a pair is two sequences
    assert trained("llama", "reward", steps=2).steps == 2 and sizes == [8, 4, 4, 4, 4]
    room = 2
    with pytest.raises(FinetuningError, match="Out of memory, even with 2 rows at a time"):
        trained("llama", "reward", steps=2, out=str(tmp_path / "other"))
    room, sizes[:] = 1, []
    trained("llama", "lora", steps=1, out=str(tmp_path / "rows"))
    assert sizes == [1, 1, 1, 1]  # a processor takes one row after the other


def test_files_that_reach_a_limit_keep_the_last_good_checkpoint(trained: Go) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> Callable[..., Any]:
        return lambda step, *_: step == 3 and resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    for size, go in ((60_000, {}), (20_000, {"resume": True})):  # too small for the optimiser's file, for the adapter's
        try:
            with pytest.raises(FinetuningError, match=r"full.*checkpoint-2.*--resume"):
                trained("llama", "lora", save_every=2, on_progress=limit(size), **go)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert trained("llama", "lora", save_every=2, resume=True).steps == STEPS


def test_a_run_that_fails_before_its_first_checkpoint_gives_the_folder_back(trained: Go, tmp_path: Path) -> None:
    def stop(step: int, *_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained("llama", "lora", on_progress=stop)
    assert not (tmp_path / "out").exists()
    assert trained("llama", "lora", steps=1).steps == 1
    with pytest.raises(FinetuningError, match="finished run"):
        trained("llama", "lora", steps=1, resume=True)


def test_a_folder_of_another_run_is_left_alone(trained: Go, bases: dict[str, Path], tmp_path: Path) -> None:
    trained("llama", "lora", steps=1)
    with pytest.raises(FinetuningError, match="holds another run"):
        trained("llama", "lora", steps=1)
    with pytest.raises(FinetuningError, match="rank differ"):
        trained("llama", "lora", steps=1, rank=4, resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.md").write_text("mine")
    with pytest.raises(FinetuningError, match="not empty"):
        trained("llama", "lora", out=str(tmp_path / "mine"))
    with pytest.raises(FinetuningError, match="no run to resume"):
        trained("llama", "lora", out=str(tmp_path / "new"), resume=True)


def test_a_launched_plan_is_carried_out_elsewhere_and_without_our_keys(
    bases: dict[str, Path], some_rows: Rows, write_rows: Write, tmp_path: Path, monkeypatch: Any
) -> None:
    def start(command: list[str], environment: dict[str, str], **streams: Any) -> Any:
        assert "OPENAI_API_KEY" not in environment and environment["NCCL_DEBUG"] == "INFO" and streams["stdout"] == 2
        assert command[command.index("--config_file") + 1] == str(tmp_path / "accelerate.yaml")
        at = command.index("-m") + 1
        assert command[at] == "nacre.finetuning.training"
        monkeypatch.chdir("/")
        monkeypatch.setattr(sys, "argv", command[at:])
        training.main()
        return SimpleNamespace(wait=lambda: status)

    for name, value in {"OPENAI_API_KEY": "k", "NCCL_DEBUG": "INFO"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(child_process, "start", start)
    write_rows(some_rows())
    (tmp_path / "accelerate.yaml").write_text("num_processes: 1\n")
    for status, out in ((0, "out"), (1, "other")):
        monkeypatch.chdir(tmp_path)
        plan = Plan(base=str(bases["llama"]), data="rows.jsonl", out=out, steps=1, patience=0)
        go = partial(launch, plan, Path("accelerate.yaml"), resume=False, exclude=(), on_problem=[].append)
        if status:
            with pytest.raises(FinetuningError, match="ended with status 1"):
                go()
        else:
            assert go().steps == 1 and (tmp_path / "out" / "adapter_model.safetensors").is_file()


def test_a_narrow_model_takes_larger_steps_unless_a_rate_is_given(trained: Go, tmp_path: Path) -> None:
    rates = {}
    for name, settings in (
        ("own", {"rate": None}),
        ("given", {"rate": 1e-4}),
        ("full", {"rate": None, "method": "full"}),
    ):
        trained("llama", settings.pop("method", "lora"), steps=1, out=str(tmp_path / name), **settings)
        rates[name] = json.loads((tmp_path / name / "nacre.json").read_text())["settings"]["rate"]
    assert rates["own"] > 10 * RATE_AT["lora"] and rates["given"] == 1e-4 and rates["full"] == RATE_AT["full"]


def test_an_adapter_of_another_base_is_refused(trained: Go, bases: dict[str, Path], tmp_path: Path) -> None:
    trained("llama", "lora", steps=1)
    card = tmp_path / "out" / "nacre.json"
    told = json.loads(card.read_text())
    card.write_text(json.dumps({**told, "base_model": f"transformers:{bases['qwen2']}"}))
    with pytest.raises(FinetuningError, match="other weights"):
        merge(tmp_path / "out", tmp_path / "merged")


def test_nothing_is_asked_of_the_network_and_nothing_told(trained: Go, monkeypatch: Any) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "CI"):
        monkeypatch.delenv(name, raising=False)
    asked: list[Any] = []
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *args, **kwargs: asked.append(args) or (_ for _ in ()).throw(OSError)
    )
    trained("llama", "lora", steps=1)
    time.sleep(0.2)  # telemetry goes by a thread of its own
    assert not asked and "HF_HUB_OFFLINE" not in os.environ


def test_rows_with_no_room_are_named_and_held_out_loss_ends_a_training(
    bases: dict[str, Path], some_rows: Rows, write_rows: Write, tmp_path: Path
) -> None:
    rows = some_rows(count=16)
    rows[3]["messages"][0]["content"] *= 80
    for row in rows[12:]:
        row["split"] = "valid"
    said: list[str] = []
    plan = Plan(base=str(bases["llama"]), data=str(write_rows(rows)), out=str(tmp_path / "out"), steps=60, rate=0.3,
                patience=1, save_every=2)  # fmt: skip
    done = train(plan, on_problem=said.append)
    assert any("Only 12 rows" in line for line in said) and said == done.problems
    assert any(line.startswith("The row ") and "thing 3?" in line and "does not fit" in line for line in said)
    assert done.steps < 60 and any("eval_loss" in entry for entry in done.curves)
