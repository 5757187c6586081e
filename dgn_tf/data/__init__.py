"""Data sets of images and clips: where they come from, their labels, and their batches."""
