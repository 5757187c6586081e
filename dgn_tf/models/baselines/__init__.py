"""Models without a geometric generator, to compare with."""
