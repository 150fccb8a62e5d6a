"""A knowledge base in PostgreSQL with pgvector: text, chunks, vectors, words, rights and ledger in one transaction."""
