"""Lists in: CSV files of arrears and payments become cases."""
