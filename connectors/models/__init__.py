"""Chat models from outside, by name."""
