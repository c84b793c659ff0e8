"""What the assistant does: one reply, step by step."""
