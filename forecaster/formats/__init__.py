"""Reads cells of text as numbers and timestamps, in whatever way they are written.

- `number_formats`, `grouped_digits`: decimal points, decimal commas and the marks of thousands
- `units`: units, currencies, multipliers and minuses around numbers
- `timestamp_formats`: timestamps, of one column or several
- `written_dates`: ISO 8601, days and months in either order, names of months, weeks, quarters
- `digit_dates`, `plausible_dates`: dates in digits, and which readings of digits are plausible
- `timestamp_parts`: timestamps in several columns, such as a date and a time of day, or year, month and day
"""
