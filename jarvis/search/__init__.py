"""One question over everything kept: messages, events, and what features add."""
