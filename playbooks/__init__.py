"""Response plans (预案) as YAML, and the engine that says what an incident needs.

Not for deciding who goes (that is dispatch) nor for keeping track of what was done (that is the
desk): a playbook is read, checked and matched, all pure. Relies on models for the words.
"""
