"""What can be done with an update, a module for each step."""
