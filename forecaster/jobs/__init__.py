"""Scheduled jobs: what a jobs file names, trained, forecast and scored by one command that nobody has to watch.

- `jobs_file`, `schema`, `conflicts`: the YAML to the jobs that it describes, with all problems
- `job`: a job with everything resolved
- `plan`, `fingerprint`, `rows`: what a job would do now, and why
- `run_jobs`, `status`, `shard_locks`: a run: jobs in worker processes, status.json, locks of several machines
- `execute`, `score_stored`, `train_job`, `forecast_job`, `outputs`, `task`: a job in a worker
- `past_forecasts`, `history`: forecasts of the store, with their actuals
- `score`, `drift`, `anomalies`, `score_report`, `adaptive_intervals`: errors and drift of stored forecasts
- `metrics_file`, `ping`: the state of jobs for Prometheus, and for a monitor such as healthchecks.io
- `schedule`, `crontab`, `systemd_units`: when the system runs a jobs file, in the languages of cron and systemd
"""
