"""The assistant: providers, tools and the loop between them."""
