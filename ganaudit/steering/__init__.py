"""Walks in latent space that follow an edit of the image: the algorithm alone. No rows, no verdicts."""
