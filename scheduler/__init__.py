"""Whom to call and when. Knows no clock and no configuration: both are arguments."""
