"""Tiny random models of three architectures, each with the manner of its family's template, and rows to train on."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="fine-tuning needs the extra `finetune`")
transformers = pytest.importorskip("transformers", reason="fine-tuning needs the extra `finetune`")
pytest.importorskip("trl", reason="fine-tuning needs the extra `finetune`")

COLOURS = ["red", "green", "blue", "white"]
REFUSAL = "I can't find this in the sources."
_CHATML = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
_LLAMA = "{{ bos_token }}{% for m in messages %}<|start|>{{ m['role'] }}<|end|>\n\n{{ m['content'] | trim }}<|eot|>{% endfor %}{% if add_generation_prompt %}<|start|>assistant<|end|>\n\n{% endif %}"
# GLM-4 puts a line break before each text and ends an answer with the mark of the next speaker.
_GLM = "[gMASK]<sop>{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
FAMILIES = {
    "llama": (_LLAMA, ["<|bos|>", "<|start|>", "<|end|>", "<|eot|>", "<|eos|>"], ["<|eos|>", "<|eot|>"]),
    "glm4": (_GLM, ["[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|eos|>"], ["<|eos|>", "<|user|>"]),
    "qwen2": (_CHATML, ["<|im_start|>", "<|im_end|>", "<|eos|>"], ["<|im_end|>", "<|eos|>"]),
}
WINDOW = 1024


def save_tokenizer(folder: Path, family: str) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    template, specials, _ = FAMILIES[family]
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator([f"What colour is thing {n}? It is {c} [1]. {REFUSAL}" for n in range(20) for c in COLOURS], trainer)  # fmt: skip
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token=specials[0], eos_token="<|eos|>", pad_token="<|eos|>",
        additional_special_tokens=specials,
    )  # fmt: skip
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_model(folder: Path, family: str, *, seed: int = 7) -> Path:
    tokenizer = save_tokenizer(folder, family)
    shape = {
        "vocab_size": 340, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": WINDOW, "initializer_range": 0.1, "bos_token_id": None,
        "eos_token_id": None, "pad_token_id": None, "tie_word_embeddings": False,
    }  # fmt: skip
    shape |= {"head_dim": 16} if family != "qwen2" else {}
    name = {"llama": "Llama", "glm4": "Glm4", "qwen2": "Qwen2"}[family]
    torch.manual_seed(seed)
    model = getattr(transformers, f"{name}ForCausalLM")(getattr(transformers, f"{name}Config")(**shape))
    model.generation_config.eos_token_id = [tokenizer.convert_tokens_to_ids(stop) for stop in FAMILIES[family][2]]
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost a tiny model more than it computes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: save_model(tmp_path_factory.mktemp(family), family) for family in FAMILIES}


def rows(form: str = "answers", count: int = 12) -> list[dict[str, Any]]:
    """What colour a thing is; every third is not said."""
    rng, made = random.Random(3), []
    for n in range(count):
        colour = COLOURS[n % 4]
        prompt = [{"role": "user", "content": f"Source 1: thing {n} is {colour}. What colour is thing {n}?"}]
        right = REFUSAL if n % 3 == 2 else f"It is {colour} [1]."
        fields = {"document": f"doc:{n}", "kind": "refusal" if n % 3 == 2 else "answer", "split": "train",
                  "question": f"What colour is thing {n}?", "answers": [] if n % 3 == 2 else [colour],
                  "sources": [f"thing {n} is {colour}"]}  # fmt: skip
        said = {"role": "assistant", "content": right}
        if form == "pairs":
            made.append({"messages": prompt, "chosen": said, "rejected": {**said, "content": "No idea!"}, **fields})
        elif form == "thumbs":
            good = rng.random() < 0.5
            text = right if good else "No idea!"
            made.append({"messages": [*prompt, {**said, "content": text}], "label": good, **fields})
        else:
            made.append({"messages": [*prompt, said], **fields})
    return made


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    def write(data: list[dict[str, Any]], name: str = "rows.jsonl") -> Path:
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in data), "utf-8")
        return tmp_path / name

    return write


@pytest.fixture
def some_rows() -> Callable[..., list[dict[str, Any]]]:
    return rows


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept between tests, and no folder of the developer's is touched."""
    monkeypatch.setenv("NACRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NACRE_LANG", "en")
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
