"""Statistics over records: moments and the Fréchet distance."""
