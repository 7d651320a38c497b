"""What happens to values before a network reads them.

- `read_data`: reads the series of a config
- `plan`: config and data, checked against each other and resolved
- `prepared_series`: series with their split and scaler
- `split`: chronological split into training, validation and test part
- `windows`: starts of training and validation windows
- `transforms`, `scaling`: log, Box-Cox, logit, differences, and scaling, with their inverses
- `calendar_features`: hour, weekday, holidays, Fourier terms, ...
- `covariate_features`: covariates as features, and their missing cells
- `categories`: codes of series and static covariates
- `saved_preprocessing`: what a run saves of all this
"""
