"""GitHub: what it tells us by webhook, and bugs and issues kept in step."""
