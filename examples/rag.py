"""Answers with citations over a folder. 基于文件夹的带引用问答。"""

import sys
from pathlib import Path

import nacre

folder, question = sys.argv[1:3]
kb = nacre.KnowledgeBase.open(Path(folder) / ".kb")
kb.sync(folder)
model = nacre.RetrievalAugmented(inner=nacre.load_model(), retriever=kb.retriever(k=6))
answer = model.invoke(question)
print(answer.text)
for citation in answer.response_metadata["nacre"]["citations"]:
    print(f"[{citation['n']}] {citation['title']}: {citation['quote']}")
