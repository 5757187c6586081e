"""Squares for training, cut out of photographs."""
