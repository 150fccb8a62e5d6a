"""What is known of text alone, without a model and without a knowledge base."""
