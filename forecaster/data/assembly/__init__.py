"""Assembles decoded columns into series on a regular grid.

- `column_roles`: which columns hold time, ids and values
- `build_rows`, `decoded_columns`, `rows`: ids, timestamps, values and covariates as rows
- `blocks`, `typed_columns`, `typed_path`: columns with types, of CSV, Parquet and databases
- `wide_to_long`: a column per series into one column
- `dates_across`: dates in the header into a row for each date
- `localize`: timestamps in their time zone
- `sort_rows`: rows by series and time, without duplicates
- `regular_grid`: rows on a regular grid
- `out_of_core`: data larger than memory
"""
