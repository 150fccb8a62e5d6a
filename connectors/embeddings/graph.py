"""A small hand for writing ONNX graphs, and the ways to multiply with a weight matrix.

A graph takes one text at a time, without padding. Texts run beside each other on the cores instead, which is faster
on a CPU than padded batches, and makes the vector of a text independent of its neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

    from nacre.connectors.embeddings.checkpoint import PackedTable

Array = np.ndarray[Any, np.dtype[Any]]
Precision = Literal["fp32", "int8"]

MICROSOFT = "com.microsoft"
_OPSET, _IR_VERSION = 20, 9
_MIDDLE, _LOW = 128, 32  # of 255, what means zero: where numbers go as far below it as above, and where hardly below
_STEPS = 127


class Graph:
    """Nodes and constants of one graph."""

    def __init__(self, precision: Precision = "fp32", spans: Mapping[str, Array] | None = None) -> None:
        self.precision = precision
        self.spans = spans or {}
        self.entries: dict[str, str] = {}
        """What enters the product with each weight matrix."""
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._by_row: dict[str, tuple[str, str]] = {}
        self._zeros: dict[str, str] = {}
        self._quantised: dict[str, str] = {}

    def constant(self, name: str, value: Array) -> str:
        """Add a constant, once for each name."""
        from onnx import numpy_helper

        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def node(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        """Add a node; "" is an optional input that is left out, and the domain of standard ONNX."""
        from onnx import helper

        names = [f"{op}_{len(self._nodes)}" + ("" if n == 0 else f"_{n}") for n in range(outputs)]
        self._nodes.append(helper.make_node(op, list(inputs), names, name=names[0], domain=domain, **attributes))
        return names[0]

    def axes(self, axis: int) -> str:
        """The constant that holds one axis, which many operators want as an input."""
        return self.constant(f"axis{axis}", np.array([axis], np.int64))

    def rows_of_packed(self, name: str, table: PackedTable, numbers: str) -> str:
        """Rows of a matrix that stays in 4 bits, by `numbers` of shape (1, tokens): shape (tokens, columns).

        The first half of the columns lies in the low half of the bytes. (GatherBlockQuantized takes ten times as long.)
        """
        from onnx import TensorProto

        columns = table.values.shape[1]
        low, high = table.values[:, : columns // 2], table.values[:, columns // 2 :]
        tokens = self.node("Squeeze", numbers, self.axes(0))
        both = self.node("Gather", self.constant(name, low | high << 4), tokens)
        low_half = self.node("BitwiseAnd", both, self.constant("low", np.array(15, np.uint8)))
        high_half = self.node("BitShift", both, self.constant("four", np.array(4, np.uint8)), direction="RIGHT")
        whole = self.node("Cast", self.node("Concat", low_half, high_half, axis=1), to=TensorProto.FLOAT)
        blocks = self.constant("blocks", np.array([0, table.scales.shape[1], -1], np.int64))
        centred = self.node("Sub", whole, self.constant("middle", np.array(table.middle, np.float32)))
        scales = self.node("Gather", self.constant(name + ".scale", table.scales), tokens)
        scales = self.node("Unsqueeze", self.node("Cast", scales, to=TensorProto.FLOAT), self.axes(-1))
        scaled = self.node("Mul", self.node("Reshape", centred, blocks), scales)
        return self.node("Reshape", scaled, self.constant("columns", np.array([0, columns], np.int64)))

    def linear(
        self, x: str, name: str, weight: Array, bias: Array, exact: bool = False, below: float | None = None
    ) -> str:
        """Multiply rows (tokens, inputs) with a weight matrix (outputs, inputs), as PyTorch keeps it, and add the bias.

        Args:
            exact: not in 8 bits, unless the spans of its inputs are known.
            below: how far the inputs go below zero at most; None: as far as above it.
        """
        self.entries[name] = x
        if self.precision == "int8" and name in self.spans:
            return self._linear_of_channels(x, name, weight, bias)
        if self.precision == "int8" and not exact:
            product = self._linear_of_rows(x, name, weight, below)
        else:
            product = self.node("MatMul", x, self.constant(name, weight.T))
        return self.node("Add", product, self.constant(name + ".bias", bias))

    def _linear_of_channels(self, x: str, name: str, weight: Array, bias: Array) -> str:
        """One scale for all activations, after the loud channels were made quieter and their weights louder.

        Source: Xiao et al. 2023, SmoothQuant (arXiv:2211.10438), with a strength of one half.
        """
        loud = np.sqrt(np.maximum(self.spans[name], 1e-3))
        loud /= np.median(loud)
        if x not in self._quantised:
            quiet = self.node("Mul", x, self.constant(name + ".quiet", 1 / loud))
            self._quantised[x] = self.node("DynamicQuantizeLinear", quiet, outputs=3)
        rows = self._quantised[x]
        return self._product(rows, name, weight * loud, f"{rows}_1", f"{rows}_2", self.constant(name + ".bias", bias))

    def _linear_of_rows(self, x: str, name: str, weight: Array, below: float | None) -> str:
        # One scale a row of activations and one a column of weights. The usual single scale for all activations
        # (DynamicQuantizeMatMul) loses three times as much to the few large channels of a LayerNorm.
        rows, row_scale, zero = self._quantise_rows(x, below)
        one = self.constant("one", np.array(1, np.float32))
        return self.node("Mul", self._product(rows, name, weight, one, zero), row_scale)

    def _product(self, rows: str, name: str, weight: Array, scale: str, zero: str, *bias: str) -> str:
        """Rows of 8 bits times a matrix that is put into 8 bits, as floats."""
        columns = (np.maximum(np.abs(weight).max(axis=1), 1e-12) / _STEPS).astype(np.float32)
        given = (
            rows,
            self.constant(name, np.round(weight.T / columns).astype(np.int8)),
            scale,
            self.constant(name + ".scale", columns),
            zero,
            "",
        )
        return self.node("MatMulIntegerToFloat", *given, *bias, domain=MICROSOFT)

    def _quantise_rows(self, x: str, below: float | None) -> tuple[str, str, str]:
        """Rows in 8 bits, the scale of each, and the number that means zero."""
        middle = _MIDDLE if below is None else _LOW
        least = 1e-12 if below is None else below / middle
        zero = self.constant(f"zero{middle}", np.array(middle, np.uint8))
        if x not in self._by_row:  # query, key and value share one input
            highest = x if below is not None else self.node("Abs", x)
            largest = self.node("ReduceMax", highest, self.axes(-1), keepdims=1)
            step = self.node("Mul", largest, self.constant(f"step{middle}", np.array(1 / (255 - middle), np.float32)))
            step = self.node("Max", step, self.constant(f"least{middle}", np.array(least, np.float32)))
            per_row = self.node("Squeeze", step, self.axes(-1))
            if zero not in self._zeros:
                self._zeros[zero] = self.node("Expand", zero, self.node("Shape", per_row))
            self._by_row[x] = (self.node("QuantizeLinear", x, per_row, self._zeros[zero], axis=0), step)
        return *self._by_row[x], zero

    def model(self, inputs: list[str], output: str, width: int, also: Iterable[str] = ()) -> ModelProto:
        """Finish the graph, with int32 inputs of shape (1, tokens), one output of shape (1, width), and what it gives
        besides, of two axes.
        """
        from onnx import TensorProto, checker, helper

        self._nodes.append(helper.make_node("Identity", [output], ["output"]))
        takes: list[ValueInfoProto] = [
            helper.make_tensor_value_info(name, TensorProto.INT32, [1, "tokens"]) for name in inputs
        ]
        gives = [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, width])]
        gives += [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in also]
        graph = helper.make_graph(self._nodes, "encoder", takes, gives, list(self._constants.values()))
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="nacre")
        checker.check_model(model)
        return model
