"""Changing itself: a proposed patch, proven, approved by a person, applied, and taken back when it is not well."""
