"""Trains networks and writes them as versions of a run.

- `train`: one network or an ensemble, to a version of a run
- `build`: network and trainer of a plan
- `step`: what one batch does to a network, traced once for trainings that differ only in their series and seeds
- `trainer`: the training loop, and the state from which `--resume` continues
- `early_stopping`: when validation has not improved for long enough
- `optimizers`, `schedules`, `averaging`: optimizers, learning rate schedules, and averages of weights
- `processes`: several trainings in parallel processes
- `gradient_exchange`: several processes or hosts (`--hosts`) that train one network
- `export`: the ONNX graphs `encode` and `decode`
- `artifacts`: the files of a version
- `progress`: progress on a terminal and in logs
- `plots`: losses by epoch
"""
