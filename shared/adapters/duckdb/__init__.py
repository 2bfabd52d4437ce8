"""DuckDB, the optional SQL engine of the console (`pip install 'headrace[sql]'`): queries over tables that may outgrow memory."""
