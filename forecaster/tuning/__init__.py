"""The search for a better config.

- `plan`: the plan of a search: the space of values, and the plan of each trial, without TensorFlow and Optuna
- `search`: the trials, sampled and stored by Optuna, resumed after a crash
- `trials`: a trial and its outcome, as processes exchange them
- `tune`: runs trials in turn or several at a time, and writes the result
- `run_trial`: trains and scores one trial
- `tensorflow_network`: a network in training behind the interface of exported ones
- `tables`, `plots`: errors of all trials
"""
