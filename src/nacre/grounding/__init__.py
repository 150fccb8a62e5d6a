"""Whether passages support an answer, judged by their words alone: no model, no weights file.

`ranking` weighs sentences, `answerability` decides when to refuse, `expectation` knows what a question asks for.
"""
