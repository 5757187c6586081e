"""Langevin inference, persistent chains, learners and their loop."""
