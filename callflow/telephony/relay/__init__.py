"""Calls through a relay: a small process on the connected side dials for a case system that has no route outside.

The closed side starts every exchange (`phone.py` → `wire.py` → `exchange.py`); nothing connects inwards.
"""
