"""Image-to-latent networks that are trained here, and their files."""

OWN_ENCODER = "own_encoder"
"""The kind of inverter that a generator brings with it: its own encoder, no file."""
