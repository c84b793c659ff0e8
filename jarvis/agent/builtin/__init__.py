"""The built-in operator: a provider without a model, which maps plain requests to tools and writes the answer."""
