"""`forecast check`."""
