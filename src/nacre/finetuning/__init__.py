"""Fine-tuning, an optional layer: rows from a knowledge base, training by TRL and PEFT, and a gate that says if it
helped.

Tuning teaches a small model manner (short answers, `[n]` after each statement, the exact refusal) and an encoder
vocabulary. Facts stay in the knowledge base. Nothing heavy is imported before it is used.
"""
