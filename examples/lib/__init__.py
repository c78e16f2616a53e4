"""What the commands of `examples` share."""
