"""What the plots and tables of several verbs share.

- `figures`: figures, axes, legends, intervals and the files
- `picture_style`: their size and letters, for a screen, a slide or a paper
- `tables`: tables of text with aligned columns
"""
