"""Latents of images: energies, Langevin dynamics, and the encoders that make it shorter."""
