"""The four drivers of a flow: the same steps, blocking or not, whole or in chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableConfig

from nacre.decorator.flow import Live, Run
from nacre.text.messages import as_chunk


def invoke(run: Run, config: RunnableConfig) -> AIMessage:
    """Run a flow to its end."""
    with closing(run):
        while call := run.pending:
            try:
                got = call.target.invoke(call.input, call.config(config), **call.kwargs)
            except Exception as error:
                run.throw(error)
            else:
                run.send(got)
        return run.answer()


async def ainvoke(run: Run, config: RunnableConfig) -> AIMessage:
    """Run a flow to its end without blocking the event loop."""
    with closing(run):
        while call := run.pending:
            try:
                got = await call.target.ainvoke(call.input, call.config(config), **call.kwargs)
            except Exception as error:
                run.throw(error)
            else:
                run.send(got)
        return run.answer()


def stream(run: Run, config: RunnableConfig) -> Iterator[AIMessageChunk]:
    """Run a flow to its end and show its live calls."""
    with closing(run):
        while call := run.pending:
            live = Live(call)
            try:
                if call.live:
                    chunks: Any = call.target.stream(call.input, call.config(config), **call.kwargs)
                    with closing(chunks):
                        for chunk in chunks:
                            yield from live.push(chunk)
                    yield from live.close()
                    got: Any = live.message()
                else:
                    got = call.target.invoke(call.input, call.config(config), **call.kwargs)
            except Exception as error:
                run.throw(error, fatal=bool(live.shown))
            else:
                run.send(got, live.shown)
        yield run.rest()


async def astream(run: Run, config: RunnableConfig) -> AsyncGenerator[AIMessageChunk, None]:
    """Run a flow to its end and show its live calls, without blocking the event loop."""
    with closing(run):
        while call := run.pending:
            live = Live(call)
            try:
                if call.live:
                    async with aclosing(
                        cast(Any, call.target.astream(call.input, call.config(config), **call.kwargs))
                    ) as chunks:
                        async for chunk in chunks:
                            for out in live.push(chunk):
                                yield out
                    for out in live.close():
                        yield out
                    got: Any = live.message()
                else:
                    got = await call.target.ainvoke(call.input, call.config(config), **call.kwargs)
            except Exception as error:
                run.throw(error, fatal=bool(live.shown))
            else:
                run.send(got, live.shown)
        yield run.rest()


def config_of_generate(callbacks: Any, kwargs: dict[str, Any]) -> RunnableConfig:
    """The configuration that the arguments of `generate` stand for, taken out of them."""
    config = {"callbacks": callbacks}
    config |= {name: kwargs.pop(name, None) for name in ("tags", "metadata", "run_name", "run_id")}
    return cast(RunnableConfig, {name: value for name, value in config.items() if value is not None})


def config_below(kind: type[BaseCallbackManager], run_manager: Any) -> RunnableConfig:
    """A configuration whose callbacks hang below a model run (their managers have no `get_child`)."""
    if run_manager is None:
        return {}
    manager = kind(handlers=[], parent_run_id=run_manager.run_id)
    manager.set_handlers(run_manager.inheritable_handlers)
    return {"callbacks": manager}


def as_stream(answer: AIMessage) -> AIMessageChunk:
    """An answer as a stream of one chunk."""
    return as_chunk(answer).model_copy(update={"chunk_position": "last"})


async def once(item: Any) -> AsyncIterator[Any]:
    """An async iterator over one item."""
    yield item
