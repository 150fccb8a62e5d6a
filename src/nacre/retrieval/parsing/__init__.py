"""Documents of many formats become text with structure. Import is cheap: each format loads its library when first used."""

from nacre.retrieval.parsing.document import Block, BlockKind, Cell, ParsedDocument, Table

__all__ = ["Block", "BlockKind", "Cell", "ParsedDocument", "Table"]
