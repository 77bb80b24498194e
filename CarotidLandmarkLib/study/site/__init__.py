"""A site's own cases: how the weights do on them, and weights that have learned from them."""
