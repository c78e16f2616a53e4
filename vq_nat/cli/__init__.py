"""The command `vq-nat`: parses and calls."""
