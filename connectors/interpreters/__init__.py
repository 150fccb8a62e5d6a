"""Interpreters elsewhere, behind the protocol of the sandbox: another machine's sandbox, a Jupyter server, E2B."""

from __future__ import annotations

import os

from nacre.errors import UsageError
from nacre.reasoning.interpreter import CodeInterpreter
from nacre.text.language import tr

__all__ = ["load_interpreter"]


def load_interpreter(name: str) -> CodeInterpreter:
    """An interpreter elsewhere, by name.

    Args:
        name: "http://machine:8100" (a sandbox served by `python -m nacre.server.interpreter`; its key is taken from
            `NACRE_INTERPRETER_KEY`), "jupyter:http://machine:8888" (its token from `JUPYTER_TOKEN`), or "e2b",
            "e2b:TEMPLATE" (its key from `E2B_API_KEY`).

    Returns:
        The interpreter. Nothing is asked of its server yet.

    Raises:
        UsageError: there is no such kind, or the address is none.
        MissingExtraError: the package for it is not installed.
    """
    kind, _, rest = name.partition(":")
    if kind in ("http", "https"):
        from nacre.connectors.interpreters.http import HttpInterpreter

        return HttpInterpreter(name, key=os.environ.get("NACRE_INTERPRETER_KEY", ""))
    if kind == "jupyter":
        from nacre.connectors.interpreters.jupyter import JupyterInterpreter

        return JupyterInterpreter(rest, os.environ.get("JUPYTER_TOKEN", ""))
    if kind == "e2b":
        from nacre.connectors.interpreters.e2b import E2BInterpreter

        return E2BInterpreter(template=rest or None)
    told = tr("There is no interpreter {name!r}. Write http://HOST:PORT, jupyter:http://HOST:PORT or e2b.", name=name)
    raise UsageError(told)
