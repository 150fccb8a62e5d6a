"""The knowledge base: parsing, chunking, indexes, search, and answers with citations."""
