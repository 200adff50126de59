"""Pages, API and live channel: how people and devices reach Gridcommand, in one process.

Knows the words (``models``) and the topics' names. Decides nothing: what comes in is written
down and handed on, what is shown was read from the journal.
"""
