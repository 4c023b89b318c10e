"""The telephone as a port, one adapter per way of dialling."""
