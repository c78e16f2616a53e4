"""What codes mean, as an inventory and as a page."""
