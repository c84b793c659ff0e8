"""What can be done with secrets: look for them everywhere, tell how they stand, and rotate them."""
