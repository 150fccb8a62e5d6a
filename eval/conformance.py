"""The former address of `nacre.testing`, which documents named."""

from nacre.testing import CAPABILITIES, CapableChatModel, outcomes, suite_class

__all__ = ["CAPABILITIES", "CapableChatModel", "outcomes", "suite_class"]
