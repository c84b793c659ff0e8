"""Durable tasks: stored with the change that asks for them, done exactly as often as they should be."""
