"""Invented residents and operators who drive the real engine on a simulated clock."""
