"""What may be done, by whom, and who has to be asked first."""
