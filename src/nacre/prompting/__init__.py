"""What the prompting layers work with: the nearest examples, and the answer at the end of a reasoning."""
