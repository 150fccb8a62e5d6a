"""eval: suites over question sets, and what is done with their reports."""
