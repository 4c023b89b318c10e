"""Recordings of calls: fetched from the provider, kept encrypted by us, played behind a purpose, erased in time."""
