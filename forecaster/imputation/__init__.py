"""Filling the gaps of a series with a network trained on artificial gaps.

- `plan`: the plan of an imputation: config and data, checked against each other, and the gaps
- `impute`: trains the network, measures intervals on artificial gaps, and fills
- `artificial_gaps`: gaps cut into observed values
- `interpolation`: linear and seasonal interpolation, the baselines
- `filled_csv`: the original CSV with its gaps filled and marked
- `plots`: the longest gaps and their filled values
"""
