"""Documents of many formats become text with structure. Import is cheap: each format loads its library when first
used.
"""

from nacre.documents.dispatch import parse
from nacre.documents.document import Block, BlockKind, Cell, ParsedDocument, Table
from nacre.documents.limits import Limits, Options
from nacre.documents.worker import ParserPool

__all__ = ["Block", "BlockKind", "Cell", "Limits", "Options", "ParsedDocument", "ParserPool", "Table", "parse"]
