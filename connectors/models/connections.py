"""One pool of async connections for each event loop, closed when the loop ends.

LangChain keeps one pool for all loops, and the second `asyncio.run` of a program fails in it with
"Event loop is closed".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakKeyDictionary

import openai

_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, AsyncIterator[None]]] = WeakKeyDictionary()


async def pool_of_this_loop() -> Any:
    """The connections of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _pools:
        pool = openai.DefaultAsyncHttpxClient()
        _pools[loop] = pool, _open(pool)
        await anext(_pools[loop][1])
    return _pools[loop][0]


async def _open(pool: Any) -> AsyncIterator[None]:
    """Stay open until the loop shuts down: it then closes the async generators that have begun in it."""
    try:
        yield
    finally:
        await pool.aclose()
