"""Conversations that go on: the layer, and the SQLite store behind it."""

from __future__ import annotations

from nacre.memory.layer import ConversationMemory
from nacre.memory.store import SQLiteConversations

__all__ = ["ConversationMemory", "SQLiteConversations"]
