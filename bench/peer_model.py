"""The embedded encoder as a folder that sentence-transformers reads: the same weights for the peers, under .bench/."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors.numpy import save_file

from nacre.connectors.embeddings.e5 import open_e5
from nacre.connectors.embeddings.locate import E5

PLACE = Path(__file__).resolve().parents[1] / ".bench" / "models" / E5.name
_LAYER = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
          "intermediate.dense", "output.dense", "attention.output.LayerNorm", "output.LayerNorm")  # fmt: skip
_EMBEDDINGS = ("word_embeddings.weight", "position_embeddings.weight", "token_type_embeddings.weight",
               "LayerNorm.weight", "LayerNorm.bias")  # fmt: skip


def peer_folder() -> Path:
    """The folder, written once: fp32 of the 4-bit weights, with the pieces of the vocabulary that we keep."""
    if (PLACE / "modules.json").is_file():
        return PLACE
    PLACE.mkdir(parents=True, exist_ok=True)
    model = open_e5(E5.checked_path())
    tensors, shape = model.tensors(), asdict(model.architecture)
    names = [f"embeddings.{name}" for name in _EMBEDDINGS]
    names += [
        f"encoder.layer.{n}.{part}.{kind}"
        for n in range(shape["layers"])
        for part in _LAYER
        for kind in ("weight", "bias")
    ]
    weights = {name: tensors(name).copy() for name in names if name != "embeddings.word_embeddings.weight"}
    table = tensors.packed("embeddings.word_embeddings.weight")
    assert table is not None
    small = (table.values.astype("float32") - table.middle).reshape(*table.scales.shape, -1)
    weights["embeddings.word_embeddings.weight"] = (small * table.scales[..., None].astype("float32")).reshape(
        table.values.shape
    )
    save_file(weights, PLACE / "model.safetensors")
    (PLACE / "tokenizer.json").write_bytes((model.folder / "tokenizer.json").read_bytes())
    config = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "num_hidden_layers": shape["layers"],
        "num_attention_heads": shape["heads"],
        "hidden_size": shape["width"],
        "intermediate_size": int(weights["encoder.layer.0.intermediate.dense.bias"].size),
        "hidden_act": "gelu",
        "layer_norm_eps": shape["epsilon"],
        "max_position_embeddings": shape["positions"],
        "vocab_size": int(table.values.shape[0]),
        "type_vocab_size": int(weights["embeddings.token_type_embeddings.weight"].shape[0]),
        "pad_token_id": 1,
    }
    said = {
        "config.json": config,
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": 512,
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "cls_token": "<s>",
            "sep_token": "</s>",
        },
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": model.prompts, "similarity_fn_name": "cosine"},
        "1_Pooling/config.json": {"word_embedding_dimension": shape["width"], "pooling_mode_mean_tokens": True},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
    }
    for name, content in said.items():
        (PLACE / name).parent.mkdir(exist_ok=True)
        (PLACE / name).write_text(json.dumps(content, indent=1), "utf-8")
    return PLACE
