"""Local models that see: tiny random ones of four families."""

from __future__ import annotations

import base64
import io
from functools import partial
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


def save_tokenizer(folder: Path, token: str = "<image>", before: str = "", after: str = "", *others: str) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    specials = [one for one in ("<|im_end|>", "<|im_start|>", token, before, after, *others) if one]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        ["hi"],
        trainers.BpeTrainer(vocab_size=300, special_tokens=specials, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token=specials[0], pad_token=specials[0], additional_special_tokens=specials
    )
    tokenizer.chat_template = TEMPLATE.replace("<image>", before + token + after)
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


VISION = {"depth": 2, "num_heads": 4, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}
ROPE = {"rope_theta": 10_000.0, "rope_type": "default", "mrope_section": [2, 1, 1]}


def save_qwen(folder: Path) -> Path:
    """Qwen2-VL: as many tokens as an image has parts."""
    tokenizer = save_tokenizer(folder, "<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>")
    image_id, start, end, video = tokenizer.convert_tokens_to_ids(
        ["<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>"]
    )
    config = transformers.Qwen2VLConfig(
        text_config={**TEXT, "rope_parameters": ROPE, "pad_token_id": 0},
        vision_config={**VISION, "embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2},
        image_token_id=image_id,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    sizes = {"size": {"shortest_edge": 784, "longest_edge": 784 * 16}, "patch_size": 14, "merge_size": 2}
    return save(folder, transformers.Qwen2VLForConditionalGeneration(config), "Qwen2VL", tokenizer, sizes)


def save_glm(folder: Path) -> Path:
    """GLM-4V: a vision tower with positions of its own."""
    names = ["<|image|>", "<|begin_of_image|>", "<|end_of_image|>"]
    names += ["<|video|>", "<|begin_of_video|>", "<|end_of_video|>"]
    tokenizer = save_tokenizer(folder, *names)
    image_id, start, end, video, video_start, video_end = tokenizer.convert_tokens_to_ids(names)
    shape = {**VISION, "hidden_size": 32, "intermediate_size": 48, "out_hidden_size": 32, "image_size": 56}
    config = transformers.Glm4vConfig(
        text_config={**TEXT, "rope_parameters": {**ROPE, "partial_rotary_factor": 1.0}, "pad_token_id": 0},
        vision_config=shape,
        image_token_id=image_id,
        video_token_id=video,
        image_start_token_id=start,
        image_end_token_id=end,
        video_start_token_id=video_start,
        video_end_token_id=video_end,
    )
    sizes = {"size": {"shortest_edge": 784 * 2, "longest_edge": 784 * 32}, "patch_size": 14, "merge_size": 2}
    return save(folder, transformers.Glm4vForConditionalGeneration(config), "Glm4v", tokenizer, sizes)


def save(folder: Path, model: Any, family: str, tokenizer: Any, sizes: dict[str, Any]) -> Path:
    """With the family's own processor; that of videos, which comes with it, needs torchvision."""
    pytest.importorskip("torchvision", reason="Qwen-VL and GLM-4V need the extra `vision`")
    eyes = (getattr(transformers, f"{family}{kind}Processor")(**sizes) for kind in ("Image", "Video"))
    made = getattr(transformers, f"{family}Processor")(next(eyes), tokenizer, next(eyes))
    made.chat_template = tokenizer.chat_template
    made.save_pretrained(folder)
    model.generation_config.eos_token_id = None
    model.save_pretrained(folder)
    return folder


def url(colour: str, kind: str = "PNG", said: str = "image/png") -> str:
    data = io.BytesIO()
    image.new("RGB", (40, 40), colour).save(data, kind)
    return f"data:{said};base64,{base64.b64encode(data.getvalue()).decode()}"


def shown(address: str) -> list[Any]:
    return [HumanMessage([{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": address}}])]


FAMILIES = {
    "llava": partial(save_llava, following=False),
    "llava-next": partial(save_llava, following=True),
    "qwen2-vl": save_qwen,
    "glm-4v": save_glm,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_sees_takes_images_and_texts(family: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model: Any = load_model(f"transformers:{FAMILIES[family](tmp_path)}", temperature=0, max_tokens=8)
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
