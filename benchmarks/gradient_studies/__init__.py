"""What the commands `gradient_bias.py` and `meta_gradient_bias.py` are made of."""
