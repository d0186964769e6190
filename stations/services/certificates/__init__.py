"""Certificates of stations: requests to sign, what is installed, what is valid, contracts of cars."""
