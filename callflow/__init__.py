"""callflow conducts a dunning call by its documented script and records it so that it can be replayed."""

__version__ = "0.1.0"
