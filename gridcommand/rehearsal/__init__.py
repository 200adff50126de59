"""A system of one's own, run to see whether it keeps its promises while parts of it are ended.

:mod:`~gridcommand.rehearsal.system` starts it, :mod:`~gridcommand.rehearsal.clients` play phones
and screens and remember what they were told, :mod:`~gridcommand.rehearsal.checker` compares that
with the journal (which :mod:`~gridcommand.rehearsal.ledger` adds up and
:mod:`~gridcommand.rehearsal.silence` times), :mod:`~gridcommand.rehearsal.chaos` ends processes
at random. Tests and benchmarks use the same parts. Not for a system that serves a city.
"""
