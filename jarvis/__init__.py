"""Jarvis looks after one host and one codebase, from one file."""

__version__ = "0.1.0"
