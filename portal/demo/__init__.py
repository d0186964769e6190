"""The demo: an organization with sites, stations, tokens and history, and its chargers live."""
