"""Layers that change only what the model is asked: examples, reasoning step by step, several samples and a vote."""

from __future__ import annotations

from nacre.prompting.layers import ChainOfThought, Examples, FewShot, SelfConsistency

__all__ = ["ChainOfThought", "Examples", "FewShot", "SelfConsistency"]
