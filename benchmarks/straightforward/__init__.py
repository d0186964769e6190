"""The yardstick: what one builds first with Django, Channels and the `ocpp` package, and nothing else.

Default Channels dispatch, the package's ChargePoint, stock Daphne, one ORM save per sampled value and per frame.
"""
