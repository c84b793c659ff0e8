"""What is known of GitHub, in SQL."""
