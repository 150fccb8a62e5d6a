"""The layer from Python, then the same stack from YAML. 先用 Python，再用 YAML 装配同一个层。"""

import sys
from pathlib import Path

import nacre

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # in a project of your own it is installed with it
from polite import Polite  # noqa: E402

question = "The tide is high at noon. When is the tide high?"
model = Polite(inner=nacre.Retry(inner=nacre.ScriptedChatModel(["At noon."])))
print(model.invoke(question).text)
if "--yaml" in sys.argv:
    print(nacre.build(HERE / "polite.yaml").invoke(question).text)
