"""Applies a patch to a tree of git objects in memory, with the verdict and the result that git itself would give."""
