"""`python -m hythe`."""

from hythe.cli.main import main

main()
