"""Who may do and see what, and the proof of what was done and seen."""
