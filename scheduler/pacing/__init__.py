"""How many lines to open: the optimum, the pacer that keeps to it, what it estimates, and what stops it."""
