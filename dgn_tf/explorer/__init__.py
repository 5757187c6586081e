"""A page in the browser that shows what the latents of a trained model do."""
