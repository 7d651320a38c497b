"""Time series forecasting with recurrent networks, from the command line."""

__version__ = "0.1.0"
