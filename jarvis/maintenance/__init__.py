"""Maintenance: the operator's own commands, run when due, watched, killed whole, and remembered."""
