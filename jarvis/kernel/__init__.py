"""Mechanisms that know nothing of any feature."""
