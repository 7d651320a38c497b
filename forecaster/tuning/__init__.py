"""`forecast tune`."""
