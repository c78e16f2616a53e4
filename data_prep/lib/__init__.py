"""What the commands of `data_prep` share."""
