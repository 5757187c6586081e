"""What experiments draw."""
