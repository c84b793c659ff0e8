"""Backups: the database copied while in use, packed, opened again to check it, and kept for as long as is useful."""
