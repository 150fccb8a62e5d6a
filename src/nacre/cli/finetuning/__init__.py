"""finetune: rows, training, encoders, and what is done with what came of it."""
