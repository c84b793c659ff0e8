"""Threads and messages, and the commands that the system answers itself."""
