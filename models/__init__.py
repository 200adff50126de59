"""The words of the house: events, incidents, units, tasks, cells; tables, journal, inbox.

Nothing here decides anything and nothing here knows Kafka, sockets or pages; every other room
imports this one and this one imports none of them.
"""
