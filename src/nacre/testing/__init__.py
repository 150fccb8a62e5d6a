"""Tests for what others build on Nacre: a layer of one's own passes what its inner model passes."""

from nacre.testing.layers import CAPABILITIES as CAPABILITIES
from nacre.testing.layers import CapableChatModel as CapableChatModel
from nacre.testing.layers import outcomes as outcomes
from nacre.testing.layers import suite_class as suite_class

__all__ = ["CAPABILITIES", "CapableChatModel", "outcomes", "suite_class"]
