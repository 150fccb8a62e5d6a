"""The networks: a BERT-like encoder with a pooled sentence vector, or with a classification head.

Written straight from the checkpoint, so no training framework is needed to export.
Source: Devlin et al. 2019 (BERT), Liu et al. 2019 (RoBERTa), Conneau et al. 2020 (XLM-R).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nacre.connectors.embeddings.checkpoint import NamedTensors, UnsupportedCheckpointError
from nacre.connectors.embeddings.graph import MICROSOFT, Array, Graph, Precision
from nacre.connectors.embeddings.onnx_encoder import open_session

if TYPE_CHECKING:
    from onnx import ModelProto

    from nacre.connectors.embeddings.checkpoint import Architecture, Checkpoint

_SHORT = 1024  # tokens; scores of attention of all with all in a longer window would take gigabytes
_GELU_BELOW = 0.1701  # how far it goes below zero
_ACTIVATIONS = {"gelu": "none", **dict.fromkeys(("gelu_new", "gelu_fast", "gelu_pytorch_tanh"), "tanh")}


def sentence_encoder(checkpoint: Checkpoint, precision: Precision, normalise: bool) -> ModelProto:
    """Token ids of one text → its vector: `input_ids` (1, tokens) to `output` (1, dimensions)."""
    graph = Graph(precision, _spans(checkpoint) if precision == "int8" and checkpoint.sample else None)
    x = _encode(graph, checkpoint.architecture, checkpoint.tensors(), ["input_ids"])
    x = _first(graph, x) if checkpoint.pooling == "cls" else graph.node("ReduceMean", x, graph.axes(0), keepdims=1)
    if normalise:
        x = graph.node("LpNormalization", x, axis=-1, p=2)
    return graph.model(["input_ids"], x, checkpoint.architecture.width)


def cross_encoder(architecture: Architecture, tensors: NamedTensors, precision: Precision) -> ModelProto:
    """Token ids of a question and a passage → the score of the classification head: `input_ids` (and `token_type_ids`,
    for BERT) of shape (1, tokens) to `output` (1, 1).
    """
    graph = Graph(precision)
    bert = architecture.family == "bert"
    inputs = ["input_ids", "token_type_ids"] if bert else ["input_ids"]
    pooler, last = ("pooler.dense", "classifier") if bert else ("classifier.dense", "classifier.out_proj")
    first = _first(graph, _encode(graph, architecture, tensors, inputs))
    hidden = graph.node("Tanh", _affine(graph, first, tensors, pooler))
    logits = _affine(graph, hidden, tensors, last)
    labels = tensors(last + ".weight").shape[0]
    if labels != 1:
        raise UnsupportedCheckpointError(f"a head of {labels} labels instead of one score")
    return graph.model(inputs, logits, labels)


def _spans(checkpoint: Checkpoint) -> dict[str, Array]:
    """How far each channel goes that enters a product, over the checkpoint's sample. Without those behind the
    activation: they are loud in the first and the last token only, which a scale for each row meets better.
    """
    graph = Graph()
    x = _encode(graph, checkpoint.architecture, checkpoint.tensors(), ["input_ids"])
    names = {name: entry for name, entry in graph.entries.items() if "attention" in name or "intermediate" in name}
    taps = list(dict.fromkeys(names.values()))
    session = open_session(graph.model(["input_ids"], x, checkpoint.architecture.width, taps).SerializeToString())
    spans = dict.fromkeys(taps, np.zeros(1, np.float32))
    for tokens in checkpoint.sample_tokens():
        for tap, found in zip(taps, session.run(taps, {"input_ids": np.array([tokens], np.int32)}), strict=True):
            spans[tap] = np.maximum(spans[tap], np.abs(found).max(axis=0))
    return {name: spans[entry] for name, entry in names.items()}


def _encode(graph: Graph, shape: Architecture, tensors: NamedTensors, inputs: list[str]) -> str:
    x = _embed(graph, shape, tensors, inputs)
    for number in range(shape.layers):
        x = _layer(graph, shape, tensors, f"encoder.layer.{number}.", x)
    return x


def _embed(graph: Graph, shape: Architecture, tensors: NamedTensors, inputs: list[str]) -> str:
    table = "embeddings.word_embeddings.weight"
    packed = tensors.packed(table)
    positions = tensors("embeddings.position_embeddings.weight")[shape.first_position :]
    kinds = "embeddings.token_type_embeddings.weight"
    segments = ""
    if len(inputs) > 1:
        segments = graph.constant("segments", tensors(kinds))
    elif kinds in tensors:  # one segment only: its vector is the same for every token
        positions = positions + tensors(kinds)[0]
    norm = graph.constant("embeddings.norm", tensors("embeddings.LayerNorm.weight"))
    bias = graph.constant("embeddings.norm.bias", tensors("embeddings.LayerNorm.bias"))
    if packed:
        return _embed_packed(graph, graph.rows_of_packed("words", packed, "input_ids"), positions, norm, bias, shape)
    words, places = graph.constant("words", tensors(table)), graph.constant("positions", positions)
    given = ("input_ids", inputs[1] if segments else "", words, places, segments, norm, bias)
    x = graph.node("EmbedLayerNormalization", *given, domain=MICROSOFT, outputs=2, epsilon=shape.epsilon)
    return graph.node("Squeeze", x, graph.axes(0))


def _embed_packed(graph: Graph, rows: str, positions: Array, norm: str, bias: str, shape: Architecture) -> str:
    """Words and places added and normed; the fused operator wants the words as floats."""
    begin, end = graph.axes(0), graph.node("Shape", "input_ids", start=1)
    x = graph.node("Add", rows, graph.node("Slice", graph.constant("positions", positions), begin, end, graph.axes(0)))
    return graph.node("LayerNormalization", x, norm, bias, axis=-1, epsilon=shape.epsilon)


def _layer(graph: Graph, shape: Architecture, tensors: NamedTensors, at: str, x: str) -> str:
    x = _add_and_norm(graph, shape, tensors, x, _attention(graph, shape, tensors, at, x), at + "attention.output.")
    up = at + "intermediate.dense"
    if shape.activation not in _ACTIVATIONS:
        raise UnsupportedCheckpointError(f"activation {shape.activation}")
    inner = graph.linear(x, up, tensors(up + ".weight"), tensors(up + ".bias"))
    inner = graph.node("Gelu", inner, approximate=_ACTIVATIONS[shape.activation])
    return _add_and_norm(graph, shape, tensors, x, inner, at + "output.", _GELU_BELOW)


def _attention(graph: Graph, shape: Architecture, tensors: NamedTensors, at: str, x: str) -> str:
    size, short = shape.width // shape.heads, shape.positions <= _SHORT

    def rows(name: str, scale: float = 1.0) -> str:
        # The values are averaged over many tokens, so a rounding error that all tokens share stays: kept exact (a
        # twelfth of the products), they take the loss of 8 bits from .0024 to .0010 in cosine.
        exact, name = name == "value", f"{at}attention.self.{name}"
        weight, bias = (tensors(f"{name}.{kind}") * np.float32(scale) for kind in ("weight", "bias"))
        return graph.linear(x, name, weight, bias, exact)

    query, key, value = rows("query", size**-0.5 if short else 1.0), rows("key"), rows("value")
    if not short:
        given = (graph.node("Unsqueeze", one, graph.axes(0)) for one in (query, key, value))
        attended = graph.node("MultiHeadAttention", *given, domain=MICROSOFT, num_heads=shape.heads)
        return graph.node("Squeeze", attended, graph.axes(0))
    # Of standard operators: onnxruntime's fused MultiHeadAttention takes a fifth longer on a CPU.
    split = graph.constant("heads", np.array([0, shape.heads, size], np.int64))

    def heads(rows: str, order: list[int]) -> str:
        return graph.node("Transpose", graph.node("Reshape", rows, split), perm=order)

    scores = graph.node("MatMul", heads(query, [1, 0, 2]), heads(key, [1, 2, 0]))
    mixed = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), heads(value, [1, 0, 2]))
    joined = graph.node("Transpose", mixed, perm=[1, 0, 2])
    return graph.node("Reshape", joined, graph.constant("joined", np.array([0, shape.width], np.int64)))


def _add_and_norm(
    graph: Graph, shape: Architecture, tensors: NamedTensors, x: str, inner: str, at: str, below: float | None = None
) -> str:
    # Add and LayerNormalization: onnxruntime's fused SkipLayerNormalization is six times slower on a CPU.
    dense, norm = at + "dense", at + "LayerNorm"
    y = graph.linear(inner, dense, tensors(dense + ".weight"), tensors(dense + ".bias"), below=below)
    scale = graph.constant(norm, tensors(norm + ".weight"))
    bias = graph.constant(norm + ".bias", tensors(norm + ".bias"))
    return graph.node("LayerNormalization", graph.node("Add", x, y), scale, bias, axis=-1, epsilon=shape.epsilon)


def _first(graph: Graph, x: str) -> str:
    return graph.node("Gather", x, graph.constant("first", np.array([0], np.int64)), axis=0)


def _affine(graph: Graph, x: str, tensors: NamedTensors, name: str) -> str:
    product = graph.node("MatMul", x, graph.constant(name, tensors(name + ".weight").T))
    return graph.node("Add", product, graph.constant(name + ".bias", tensors(name + ".bias")))
