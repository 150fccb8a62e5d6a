"""A knowledge base in a folder: SQLite holds the truth, tantivy the words, FAISS the vectors."""
