"""Learning: one learner for each objective, and the loop, chains and checkpoints around it."""
