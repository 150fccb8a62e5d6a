"""Interpreters that run programs somewhere else."""
