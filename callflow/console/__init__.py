"""What people see in a browser: pages, their one table of routes, and the gate before all of them."""
