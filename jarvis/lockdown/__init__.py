"""Locking everything but reading, and the one-time code that lifts it."""
