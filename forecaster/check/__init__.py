"""Checks a CSV: problems, anomalies, and the YAML lines that repair them.

- `check`: the report of `forecast check`
- `check_config`: the config by which a file is checked
- `repair_result`: a CSV with its config, repaired or plain
- `repairs`: problems of the data, and the config keys that repair them
- `statistics`: outliers, level shifts, constant values, seasons
- `findings`: a finding for each anomaly
- `id_columns`: columns that distinguish series with the same timestamps
- `leakage`: columns that contain the target or its future
- `plots`: the series and their findings
"""
