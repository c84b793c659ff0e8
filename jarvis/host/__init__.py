"""What the assistant may do outside of Jarvis: run a program in a cage, read a page of the web."""
