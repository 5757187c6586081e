"""Data sets of images, by one name each."""
