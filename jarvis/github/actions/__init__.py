"""What can be done about GitHub: take deliveries, remember limits, keep issues in step."""
