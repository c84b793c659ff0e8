"""Secrets: find them where they should not be, tell how those in use stand, and put new ones in their place."""
