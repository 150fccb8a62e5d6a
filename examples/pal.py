"""Arithmetic by a program in the sandbox instead of a guess. 让沙箱里的程序计算，而不是让模型猜。"""

import os

import nacre

QUESTION = "A ferry leaves every 35 minutes from 06:10. How many leave before noon?"
PROGRAM = """```python
departures = range(6 * 60 + 10, 12 * 60, 35)
ans = len(departures)
```"""
# Any chat model; without NACRE_MODEL this one plays a script, so that the example runs anywhere.
model = nacre.load_model() if "NACRE_MODEL" in os.environ else nacre.ScriptedChatModel([PROGRAM, "10 ferries leave."])
answer = nacre.ProgramAided(inner=model).invoke(QUESTION)
own = answer.response_metadata["nacre"]
print(own["program"])
print("=", own["value"])
print(answer.text)
