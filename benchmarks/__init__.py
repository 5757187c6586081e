"""dgn_tf beside other programs, and its settings beside each other: see the README's "How fast"."""
