"""`python -m callflow.cli`."""

from callflow.cli.main import main

main()
