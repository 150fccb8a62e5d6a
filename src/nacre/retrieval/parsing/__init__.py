"""Documents of many formats become text with structure. Import is cheap: each format loads its library when first used."""

from nacre.retrieval.parsing.dispatch import parse
from nacre.retrieval.parsing.document import Block, BlockKind, Cell, ParsedDocument, Table
from nacre.retrieval.parsing.limits import Limits
from nacre.retrieval.parsing.worker import ParserPool

__all__ = ["Block", "BlockKind", "Cell", "Limits", "ParsedDocument", "ParserPool", "Table", "parse"]
