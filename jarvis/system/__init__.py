"""The host Jarvis runs on, and its own condition."""
