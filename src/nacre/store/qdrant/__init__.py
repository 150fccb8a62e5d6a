"""Both arms of a base in Qdrant, beside its truth in PostgreSQL."""
