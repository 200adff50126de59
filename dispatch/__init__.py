"""Roads, travel times, assignment and the desk that decides.

A pure core: no broker, no socket, no database session, no clock and no chance of its own.
"""
