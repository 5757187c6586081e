"""Synthetic heads, drawn from factors that are known."""
