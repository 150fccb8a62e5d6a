"""Uploads become documents, in a process beside the server."""
