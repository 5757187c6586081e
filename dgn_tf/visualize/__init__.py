"""Arrays to images."""
