"""Trained models out of this program: SavedModels for TF Serving, LiteRT files, clients."""
