"""The networks: a BERT-like encoder with a pooled sentence vector, or with a classification head.

Written straight from the checkpoint with the fused operators of onnxruntime, so no training framework is needed to export.
Source: Devlin et al. 2019 (BERT), Liu et al. 2019 (RoBERTa), Sanh et al. 2019 (DistilBERT), Song et al. 2020 (MPNet).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nacre.connectors.embeddings.checkpoint import WEIGHTS, Tensors, UnsupportedCheckpointError
from nacre.connectors.embeddings.graph import MICROSOFT, Array, Graph, Precision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import ModelProto

    from nacre.connectors.embeddings.checkpoint import Architecture, Checkpoint

_ACTIVATIONS: Mapping[str, str] = {
    "gelu": "BiasGelu",
    "gelu_new": "FastGelu",
    "gelu_fast": "FastGelu",
    "gelu_pytorch_tanh": "FastGelu",
}


def sentence_encoder(checkpoint: Checkpoint, precision: Precision, normalise: bool) -> ModelProto:
    """Token ids of one text → its vector.

    Returns:
        A graph from `input_ids` (1, tokens) to `output` (1, dimensions).
    """
    tensors, graph = checkpoint.tensors(), Graph(precision)
    x = _encode(graph, checkpoint.architecture, tensors, ["input_ids"])
    width = checkpoint.architecture.width
    x = _pool(graph, x, checkpoint.pooling)
    for number, dense in enumerate(checkpoint.dense):
        head = Tensors(dense.folder / WEIGHTS, anchor="linear.weight")
        weight = head("linear.weight")
        x = graph.node("MatMul", x, graph.constant(f"dense.{number}", weight.T))
        if "linear.bias" in head:
            x = graph.node("Add", x, graph.constant(f"dense.{number}.bias", head("linear.bias")))
        x = graph.node("Tanh", x) if dense.activation == "Tanh" else x
        width = weight.shape[0]
    if normalise:
        x = graph.node("LpNormalization", x, axis=-1, p=2)
    return graph.model(["input_ids"], x, width)


def cross_encoder(architecture: Architecture, tensors: Tensors, precision: Precision) -> ModelProto:
    """Token ids of a question and a passage → the score of the classification head.

    Args:
        architecture: the shape of the network.

    Returns:
        A graph from `input_ids` (and `token_type_ids`, for BERT) of shape (1, tokens) to `output` (1, 1).
    """
    graph = Graph(precision)
    inputs = ["input_ids"] + (["token_type_ids"] if architecture.family == "bert" else [])
    first = _pool(graph, _encode(graph, architecture, tensors, inputs), "cls")
    if "pooler.dense.weight" in tensors:  # BERT
        hidden = graph.node("Tanh", _affine(graph, first, tensors, "pooler.dense"))
        logits, last = _affine(graph, hidden, tensors, "classifier"), "classifier"
    elif "pre_classifier.weight" in tensors:  # DistilBERT
        hidden = graph.node("Relu", _affine(graph, first, tensors, "pre_classifier"))
        logits, last = _affine(graph, hidden, tensors, "classifier"), "classifier"
    else:  # RoBERTa and its heirs
        hidden = graph.node("Tanh", _affine(graph, first, tensors, "classifier.dense"))
        logits, last = _affine(graph, hidden, tensors, "classifier.out_proj"), "classifier.out_proj"
    labels = tensors(last + ".weight").shape[0]
    if labels != 1:
        raise UnsupportedCheckpointError(f"a head of {labels} labels instead of one score")
    return graph.model(inputs, logits, labels)


def _encode(graph: Graph, shape: Architecture, tensors: Tensors, inputs: list[str]) -> str:
    x = _embed(graph, shape, tensors, inputs)
    bias = _relative_positions(graph, shape, tensors) if shape.family == "mpnet" else ""
    for number in range(shape.layers):
        x = _layer(graph, shape, tensors, shape.names.layer.format(number), x, bias)
    return x


def _embed(graph: Graph, shape: Architecture, tensors: Tensors, inputs: list[str]) -> str:
    words = graph.constant("words", tensors("embeddings.word_embeddings.weight"))
    positions = tensors("embeddings.position_embeddings.weight")[shape.first_position :]
    kinds = "embeddings.token_type_embeddings.weight"
    segments = ""
    if len(inputs) > 1:
        segments = graph.constant("segments", tensors(kinds))
    elif kinds in tensors:  # one segment only: its vector is the same for every token
        positions = positions + tensors(kinds)[0]
    x = graph.node(
        "EmbedLayerNormalization",
        "input_ids",
        inputs[1] if segments else "",
        words,
        graph.constant("positions", positions),
        segments,
        graph.constant("embeddings.norm", tensors("embeddings.LayerNorm.weight")),
        graph.constant("embeddings.norm.bias", tensors("embeddings.LayerNorm.bias")),
        domain=MICROSOFT,
        outputs=2,
        epsilon=shape.epsilon,
    )
    return graph.node("Squeeze", x, graph.axes(0))


def _layer(graph: Graph, shape: Architecture, tensors: Tensors, at: str, x: str, position_bias: str) -> str:
    names = shape.names
    projections = [at + name for name in (names.query, names.key, names.value)]
    # The values are averaged over many tokens, so a rounding error that all tokens share stays: kept exact (a twelfth of the
    # products), they take the loss of 8 bits from .0024 to .0010 in cosine.
    heads = [graph.linear(x, name, tensors(name + ".weight"), exact=name == projections[2]) for name in projections]
    heads = [graph.node("Unsqueeze", head, graph.axes(0)) for head in heads]
    bias = graph.constant(at + "attention.bias", np.concatenate([tensors(name + ".bias") for name in projections]))
    attended = graph.node(
        "MultiHeadAttention", *heads, bias, "", position_bias, domain=MICROSOFT, num_heads=shape.heads
    )
    attended = graph.node("Squeeze", attended, graph.axes(0))
    x = _add_and_norm(graph, shape, tensors, x, attended, at + names.attention_out, at + names.attention_norm)
    inner = graph.linear(x, at + names.up, tensors(at + names.up + ".weight"))
    inner = _activate(
        graph, shape.activation, inner, graph.constant(at + names.up + ".bias", tensors(at + names.up + ".bias"))
    )
    return _add_and_norm(graph, shape, tensors, x, inner, at + names.down, at + names.output_norm)


def _add_and_norm(
    graph: Graph, shape: Architecture, tensors: Tensors, x: str, inner: str, linear: str, norm: str
) -> str:
    # Add and LayerNormalization: onnxruntime's fused SkipLayerNormalization is six times slower on a CPU.
    y = graph.linear(inner, linear, tensors(linear + ".weight"))
    y = graph.node("Add", y, graph.constant(linear + ".bias", tensors(linear + ".bias")))
    scale, bias = (
        graph.constant(norm, tensors(norm + ".weight")),
        graph.constant(norm + ".bias", tensors(norm + ".bias")),
    )
    return graph.node("LayerNormalization", graph.node("Add", x, y), scale, bias, axis=-1, epsilon=shape.epsilon)


def _activate(graph: Graph, name: str, x: str, bias: str) -> str:
    if name in _ACTIVATIONS:
        return graph.node(_ACTIVATIONS[name], x, bias, domain=MICROSOFT)
    if name in ("relu", "tanh"):
        return graph.node(name.capitalize(), graph.node("Add", x, bias))
    raise UnsupportedCheckpointError(f"activation {name}")


def _pool(graph: Graph, x: str, pooling: str) -> str:
    if pooling == "cls":
        return graph.node("Gather", x, graph.constant("first", np.array([0], np.int64)), axis=0)
    return graph.node("ReduceMean" if pooling == "mean" else "ReduceMax", x, graph.axes(0), keepdims=1)


def _affine(graph: Graph, x: str, tensors: Tensors, name: str) -> str:
    product = graph.node("MatMul", x, graph.constant(name, tensors(name + ".weight").T))
    return graph.node("Add", product, graph.constant(name + ".bias", tensors(name + ".bias")))


def _relative_positions(graph: Graph, shape: Architecture, tensors: Tensors) -> str:
    """MPNet adds a learnt bias for each bucket of distance, shared by all layers: kept whole, cut to the text's length."""
    table = tensors("encoder.relative_attention_bias.weight")  # (buckets, heads)
    bias: Array = table[_buckets(shape.positions, table.shape[0])].transpose(2, 0, 1)[None]
    length = graph.node("Shape", "input_ids", start=1)
    ends = graph.node("Concat", length, length, axis=0)
    starts, axes = (
        graph.constant("zeros", np.zeros(2, np.int64)),
        graph.constant("last_two", np.array([2, 3], np.int64)),
    )
    return graph.node("Slice", graph.constant("position_bias", bias), starts, ends, axes)


def _buckets(length: int, buckets: int, furthest: int = 128) -> Array:
    distance = np.arange(length)[:, None] - np.arange(length)[None, :]  # query minus key
    half = buckets // 2
    exact = half // 2
    far = np.abs(distance)
    scaled = np.log(np.maximum(far, 1).astype(np.float32) / exact) / math.log(furthest / exact)
    logarithmic = exact + (scaled * (half - exact)).astype(np.int64)
    bucket: Array = np.where(distance < 0, half, 0) + np.where(far < exact, far, np.minimum(logarithmic, half - 1))
    return bucket
