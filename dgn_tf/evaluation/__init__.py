"""Numbers that say how well a trained model takes images apart."""
