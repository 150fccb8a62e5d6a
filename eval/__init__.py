"""Evaluation: data sets, metrics, suites, reports and the gate that refuses a change for the worse."""
