"""The command line, the composition of settings, and the supervisor: what knows all rooms."""
