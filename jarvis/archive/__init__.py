"""The one file: building it, starting from it, reading out of it."""
