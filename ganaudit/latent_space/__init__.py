"""Measures of a latent space: codes and images in, numbers out. Intervals are those of `ganaudit.statistics`."""
