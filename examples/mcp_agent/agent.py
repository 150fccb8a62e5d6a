"""An agent that uses the tools of an MCP server, here of a child process. 使用 MCP 服务器工具的智能体。"""

import os
import sys
from pathlib import Path

import nacre
from nacre.connectors.mcp.tools import MCPServer

SCRIPT = [
    'Thought: I ask for the tide.\nAction: high_tide\nAction Input: {"harbour": "Lantern Bay"}',
    "Thought: I know it.\nFinal Answer: High tide at Lantern Bay is at 14:20.",
]
# Any chat model; without NACRE_MODEL this one plays a script, so that the example runs anywhere.
model = nacre.load_model() if "NACRE_MODEL" in os.environ else nacre.ScriptedChatModel(SCRIPT)
with MCPServer([sys.executable, str(Path(__file__).with_name("server.py"))]) as server:
    agent = nacre.ReAct(inner=model, tools=server.tools(), max_steps=4)
    answer = agent.invoke("When is high tide at Lantern Bay?")
for step in answer.response_metadata["nacre"]["trajectory"]:
    print(f"{step['action']} {step['input']} -> {step['observation']}")
print(answer.text)
