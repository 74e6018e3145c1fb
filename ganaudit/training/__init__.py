"""Training: one loop, its budget and checkpoints, and what is trained."""
