"""Schedules: what falls due when, what became of every instant, and who paused it."""
