"""Bugs and feature requests: what is wrong or wanted, and whether it still is."""
