"""What people asked to have remembered, each for themselves."""
