"""Forecasts in a database: the store of jobs, and tables that other programs read.

- `store`: every forecast that jobs made, and the actuals that followed
- `timestamps`, `cells`: what the columns of a store hold, checked as they are read
- `forecast_table`: forecasts of `predict` and `backtest` in a table of any name
- `connection`: SQLite by the standard library, PostgreSQL through SQLAlchemy
"""
