"""``python -m gridcommand``: the command line, as the supervisor calls it for its children."""

from gridcommand.main import main

main()
