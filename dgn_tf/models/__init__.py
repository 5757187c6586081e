"""Networks, and the models made of them."""
