"""Networks: the same projection on the weights of layers."""
