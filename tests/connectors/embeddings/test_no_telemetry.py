"""The embedded encoder tells nobody that it is used: onnxruntime's telemetry is off before it is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper

OPEN = "import sys; from nacre.connectors.embeddings.onnx_encoder import open_session as o; from pathlib import Path; o(Path(sys.argv[1]))"


def test_a_session_leaves_no_device_id_in_the_home_directory(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", ends[:1], ends[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), tmp_path / "same.onnx"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home)}
    for name in ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY"):
        environment.pop(name, None)
    subprocess.run([sys.executable, "-c", OPEN, str(tmp_path / "same.onnx")], env=environment, check=True)
    assert [file for file in home.rglob("*") if file.is_file()] == []
