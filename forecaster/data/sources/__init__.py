"""Reads bytes, tables and columns from files and databases.

- `source`, `files`: the files of a path, decompressed
- `decoding`: bytes to text: encoding and delimiter
- `csv_records`, `text_table`: the records of CSVs
- `file_kinds`: what a file is that is no CSV
- `header`: which line of a CSV names the columns
- `arrow_csv`, `arrow_columns`, `parquet`, `database`: typed columns through pyarrow
- `issues`: problems of cells, by series
"""
