"""Image-to-latent networks that are trained here, and their files."""
