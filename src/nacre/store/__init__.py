"""Where a knowledge base is kept."""
