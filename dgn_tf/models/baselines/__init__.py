"""Models and networks to compare with."""
