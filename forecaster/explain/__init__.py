"""`forecast explain` and `forecast diagnose`."""
