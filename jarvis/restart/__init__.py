"""Restarting on request: drained, on record, and reconciled afterwards."""
