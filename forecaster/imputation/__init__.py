"""`forecast impute`."""
