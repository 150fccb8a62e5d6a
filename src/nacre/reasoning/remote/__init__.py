"""Runs in a Python elsewhere (a Jupyter kernel, a hosted sandbox) that are read, limited and reported as runs here."""

from nacre.reasoning.remote.run import Ended, RemoteLimits, RemoteRun

__all__ = ["Ended", "RemoteLimits", "RemoteRun"]
