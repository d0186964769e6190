"""Local authorization lists: what belongs on them, what stations hold, and bringing both together.

``content`` reads the tokens, ``holding`` keeps what a station took, ``upkeep`` says what is due, ``managing``
carries out what operators want, ``looking`` serves the pages. A list changes here only by what its station
answered. Who locks what: the list's row before its entries.
"""
