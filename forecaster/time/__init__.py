"""Timestamps, frequencies, time zones and calendars.

- `frequency`, `grid`: the step of a series as a grid, with and without pandas
- `calendars`, `closures`: timestamps of many series, and times without rows
- `infer_frequency`, `resolve_frequency`: the step of timestamps, or the configured one
- `jitter`: timestamps seconds off their step
- `timezones`: the repeated and the skipped hour of DST
- `gaps`: runs of missing steps, and filling them
- `seasons`: the season of a frequency, and those that values show
- `rules`: how timestamps become steps
"""
