"""Timestamps, frequencies, time zones and calendars.

- `frequency`: the step of a series as a grid
- `infer_frequency`, `resolve_frequency`: the step of timestamps, or the configured one
- `jitter`: timestamps seconds off their step
- `timezones`: the repeated and the skipped hour of DST
- `rules`: how timestamps become steps
"""
