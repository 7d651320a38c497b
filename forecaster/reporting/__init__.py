"""What the plots and tables of several verbs share.

- `figures`: style, figures, axes, legends, intervals and the files
- `tables`: tables of text with aligned columns
"""
