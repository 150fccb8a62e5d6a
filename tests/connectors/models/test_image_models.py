"""Local models that see: tiny random ones of two families."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from nacre.connectors.models import load_model
from nacre.errors import UnsupportedInputError

torch = pytest.importorskip("torch", reason="local models need the extra `local`")
transformers = pytest.importorskip("transformers", reason="local models need the extra `local`")
image = pytest.importorskip("PIL.Image")

TEMPLATE = """{% for m in messages %}<|im_start|>{{ m['role'] }}
{% for p in m['content'] %}{% if p['type'] == 'image' %}<image>{% else %}{{ p['text'] }}{% endif %}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
SHAPE = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "initializer_range": 0.4,
}  # fmt: skip
TEXT = {
    **SHAPE, "vocab_size": 410, "num_key_value_heads": 2, "max_position_embeddings": 512, "eos_token_id": None,
    "bos_token_id": None,
}  # fmt: skip


def save_tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    specials = ["<|im_end|>", "<|im_start|>", "<image>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        ["hi"],
        trainers.BpeTrainer(vocab_size=300, special_tokens=specials, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token=specials[0], pad_token=specials[0], additional_special_tokens=specials
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_llava(folder: Path, *, following: bool) -> Path:
    """LLaVA, and with `following` LLaVA-NeXT, which cuts an image into tiles."""
    tokenizer = save_tokenizer(folder)
    vision = transformers.CLIPVisionConfig(**SHAPE, image_size=28, patch_size=14, projection_dim=32)
    shared = {
        "vision_config": vision,
        "text_config": transformers.LlamaConfig(**TEXT),
        "image_token_index": tokenizer.convert_tokens_to_ids("<image>"),
        "image_seq_length": 4,
    }
    sizes = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}
    handed = {
        "tokenizer": tokenizer, "patch_size": 14, "vision_feature_select_strategy": "default", "chat_template": TEMPLATE,
        "num_additional_image_tokens": 1,
    }  # fmt: skip
    if following:
        grid = [[28, 28], [28, 56]]
        seen = transformers.LlavaNextImageProcessor(**sizes, image_grid_pinpoints=grid)
        transformers.LlavaNextProcessor(image_processor=seen, **handed).save_pretrained(folder)
        config = transformers.LlavaNextConfig(**shared, image_grid_pinpoints=grid)
        model = transformers.LlavaNextForConditionalGeneration(config)
    else:
        seen = transformers.CLIPImageProcessor(**sizes)
        transformers.LlavaProcessor(image_processor=seen, **handed).save_pretrained(folder)
        model = transformers.LlavaForConditionalGeneration(transformers.LlavaConfig(**shared))
    model.generation_config.eos_token_id = None
    model.save_pretrained(folder)
    return folder


def url(colour: str, kind: str = "PNG", said: str = "image/png") -> str:
    data = io.BytesIO()
    image.new("RGB", (40, 40), colour).save(data, kind)
    return f"data:{said};base64,{base64.b64encode(data.getvalue()).decode()}"


def shown(address: str) -> list[Any]:
    return [HumanMessage([{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": address}}])]


@pytest.mark.parametrize("following", [False, True], ids=["llava", "llava-next"])
def test_a_model_that_sees_takes_images_and_texts(following: bool, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model: Any = load_model(f"transformers:{save_llava(tmp_path, following=following)}", temperature=0, max_tokens=8)
    assert model.profile["image_inputs"] is True
    red = model.invoke(shown(url("red")))
    assert model.invoke(shown(url("red", "JPEG", "image/jpeg"))).usage_metadata == red.usage_metadata
    assert red.usage_metadata["input_tokens"] > model.invoke("hi").usage_metadata["input_tokens"]
    assert "".join(chunk.text for chunk in model.stream(shown(url("red")))) == red.text
    for bad, why in (
        (url("red", "JPEG"), "image/jpeg"),
        ("https://example.org/a.png", "fetches no images"),
        ("data:image/png;base64,AAAA", "cannot be read"),
        ("data:image/png;base64,!", "no base64"),
    ):
        with pytest.raises(UnsupportedInputError, match=why):
            model.invoke(shown(bad))
