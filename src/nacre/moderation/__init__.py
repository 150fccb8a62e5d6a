"""Who judges what is said: the protocol of a moderator, and one that goes by rules."""

from __future__ import annotations

from nacre.moderation.rules import RuleModerator
from nacre.moderation.verdict import Moderator, Verdict

__all__ = ["Moderator", "RuleModerator", "Verdict"]
