"""What the demo consists of: invented sites, stations and drivers."""

from dataclasses import dataclass

from portal.simulator.settings import CATALOGUE, Hardware, Version

ORGANIZATION = ("demo", "Demo")

WALLBOX_22, WALLBOX_11, STREET_22, RAPID_60, ULTRA_180 = CATALOGUE


@dataclass(frozen=True, slots=True)
class Place:
    name: str
    address: str
    postal_code: str
    city: str
    latitude: str
    longitude: str
    time_zone: str = "Europe/Berlin"
    country: str = "DE"


@dataclass(frozen=True, slots=True)
class DemoStation:
    """``scenario`` is what its simulated charger plays; busy ones have more cars a day."""

    identity: str
    name: str
    place: str
    version: Version
    hardware: Hardware
    scenario: str = "charge"
    cars_a_day: float = 2.0


PLACES = (
    Place("Berlin Ostkreuz", "Marktstraße 4", "10317", "Berlin", "52.501200", "13.474500"),
    Place("Hamburg HafenCity", "Am Sandtorkai 30", "20457", "Hamburg", "53.543700", "9.992900"),
    Place("Munich Schwabing", "Leopoldstraße 90", "80802", "München", "48.161300", "11.586200"),
)

STATIONS = (
    DemoStation("DEMO-BER-01", "Car park, bay 1", "Berlin Ostkreuz", "1.6", STREET_22),
    DemoStation("DEMO-BER-02", "Car park, bay 3", "Berlin Ostkreuz", "1.6", STREET_22),
    DemoStation("DEMO-BER-03", "Staff, bay 5", "Berlin Ostkreuz", "2.0.1", WALLBOX_11, "pause", 1.2),
    DemoStation("DEMO-BER-04", "Fast charger, street", "Berlin Ostkreuz", "2.0.1", RAPID_60, cars_a_day=6.0),
    DemoStation("DEMO-HAM-01", "Quay, bay 1", "Hamburg HafenCity", "1.6", WALLBOX_22),
    DemoStation("DEMO-HAM-02", "Quay, bay 2", "Hamburg HafenCity", "1.6", WALLBOX_22, "offline"),
    DemoStation("DEMO-HAM-03", "Garage, level 1", "Hamburg HafenCity", "2.0.1", STREET_22),
    DemoStation("DEMO-HAM-04", "Fast charger, north", "Hamburg HafenCity", "2.1", ULTRA_180, cars_a_day=7.0),
    DemoStation("DEMO-MUC-01", "Courtyard, left", "Munich Schwabing", "1.6", WALLBOX_11, "fault", 1.5),
    DemoStation("DEMO-MUC-02", "Courtyard, right", "Munich Schwabing", "2.1", WALLBOX_22),
    DemoStation("DEMO-MUC-03", "Street, post 12", "Munich Schwabing", "2.1", STREET_22),
    DemoStation("DEMO-MUC-04", "Fast charger, west", "Munich Schwabing", "2.0.1", RAPID_60, cars_a_day=5.0),
)

NAMES = (
    "Alice Sommer",
    "Bob Winter",
    "Charlie Herbst",
    "Dana Frühling",
    "Emil Morgen",
    "Frida Abend",
    "Gustav Mittag",
    "Helene Nacht",
    "Ida Berg",
    "Jonas Tal",
    "Klara Bach",
    "Leon Feld",
    "Mia Wald",
    "Noah Strand",
    "Olga Stern",
    "Paul Mond",
    "Rosa Wolke",
    "Simon Regen",
    "Tilda Schnee",
    "Uwe Nebel",
    "Fleet van 1",
    "Fleet van 2",
    "Guest card",
    "Pool car",
)
PEOPLE = 20
"""As many of the names are people; the others are cards that nobody has alone."""
DRIVERS = {f"04A1B2C3D4{number:04d}": name for number, name in enumerate(NAMES, start=1)}
