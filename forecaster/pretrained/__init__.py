"""A small recurrent network, trained once on generated series alone, that forecasts any series without a training.

`generator.py` draws the series, `features.py` what the network reads of a window, `zero_shot.py` forecasts with it;
`network.onnx` is the network, `card.md` what it saw, what it is for and where it fails.
`forecaster/training/pretrain.py` trains it.
"""
