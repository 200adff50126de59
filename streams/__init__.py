"""Streams: everything that touches Kafka, and the pure stages that run on it.

``classify`` and ``sense`` are pure and know no broker; ``agents`` puts them on Faust; ``relay``
brings the inbox to Kafka; ``broker`` runs the embedded broker; ``transport`` and ``app`` are the
only modules that know how Faust is set up. Imports models, playbooks and dispatch; nothing
imports it except the command line.
"""
