"""The settings as they are in force, for people to look at."""
