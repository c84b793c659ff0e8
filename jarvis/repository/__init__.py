"""Reading a git repository, or a plain directory, without ever running git."""
