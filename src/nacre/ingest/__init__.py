"""Sources become documents in a store."""
