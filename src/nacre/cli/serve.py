"""serve and mcp: the knowledge base for other programs."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this file.

    Args:
        app: the command line.
    """
