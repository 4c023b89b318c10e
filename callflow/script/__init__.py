"""A call script: read, checked, rendered, drawn. Pure: no database, no clock, no network."""
