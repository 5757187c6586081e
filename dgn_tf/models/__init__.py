"""Warp, generators and the models they make."""
