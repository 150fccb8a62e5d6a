"""What lies under the words of a slide: whether white ones can be seen there.

Only a ground that is known to be white hides them: fills, pictures, gradients and backgrounds that are not understood
count as dark.
"""

from __future__ import annotations

from typing import Any

from nacre.documents.ooxml import attribute, child, local, parts
from nacre.documents.pptx_order import Box, placed

_FILLS = {"solidFill", "gradFill", "blipFill", "pattFill", "grpFill"}
MAYBE_WHITE = {"FFFFFF", "ffffff", "window", "bg1", "tx1", "bg2", "tx2", "lt1"}
"""Colours that are worth a look at the theme."""


class Ground:
    """The ground of one slide: its background, and what was drawn on it, on its layout and its master."""

    def __init__(self, roots: list[Any], theme: Any | None) -> None:
        light = None if theme is None else next(theme.iter("{*}lt1"), None)
        names = child(roots[-1], "clrMap") if roots else None
        light_names = {name for name in ("bg1", "tx1", "bg2", "tx2") if attribute(names, name) == "lt1"}
        self.light: set[str] = set()
        if self.white(light):
            self.light = {"lt1", *light_names}
        self.dark = self._background(roots)
        self.fills = [
            one.box
            for root in roots
            for one in placed(child(root, "cSld", "spTree"))
            if local(one.shape) == "pic" or self.filled(one.shape)
        ]

    def _background(self, roots: list[Any]) -> bool:
        """Whether the background is another than white: the slide's own, else the layout's, else the master's."""
        for root in roots:
            ground = child(root, "cSld", "bg")
            if ground is not None:
                fill = child(ground, "bgPr", "solidFill")
                fill = child(ground, "bgRef") if fill is None else fill
                return fill is None or not self.white(fill)
        return False

    def white(self, fill: Any | None) -> bool:
        """Whether the colour inside an element is plain white."""
        color = None if fill is None or not len(fill) else fill[0]
        if color is None or len(color):
            return False
        value = attribute(color, "lastClr") or attribute(color)
        return value in self.light if local(color) == "schemeClr" else value.upper() in {"FFFFFF", "WINDOW"}

    def filled(self, shape: Any) -> bool:
        """Whether a shape has a ground of its own that is not known to be white."""
        properties = child(shape, "spPr")
        for fill in parts(properties):
            if local(fill) == "noFill":
                return False
            if local(fill) in _FILLS:
                return local(fill) != "solidFill" or not self.white(fill)
        styled = child(shape, "style", "fillRef")
        return styled is not None and attribute(styled, "idx") not in {"", "0"} and not self.white(styled)

    def hides_white(self, shape: Any, box: Box | None) -> bool:
        """Whether white words of a shape stand on white."""
        if self.dark or box is None or self.filled(shape):
            return False
        return not any(
            fill is None
            or (fill.left < box.right and box.left < fill.right and fill.top < box.bottom and box.top < fill.bottom)
            for fill in self.fills
        )
