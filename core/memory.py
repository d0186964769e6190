"""The collection of garbage in processes that serve."""

import gc


def settle() -> None:
    """What is loaded by now stays for good; looking through it again and again costs pauses of 200 ms.

    An export leaves objects in circles by the thousand, and what collects 20,000 at once holds up the chargers for
    10 ms; collecting a thousand at a time costs a gateway under full load 8 % of its work.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(4_000, 20, 50)
