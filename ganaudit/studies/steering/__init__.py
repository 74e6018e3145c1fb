"""How far each generator can be moved: samples along walks in its latents, parsed, beside what real images hold."""
