"""Write ``docs/ocpp.md`` anew."""

import os
import sys
from pathlib import Path

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> None:
    """Needs no server: nothing is looked up in a database."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.test")
    os.environ.setdefault("DATABASE_URL", "postgres:///chargeyard")
    django.setup()
    from scripts import ocpp_page

    ocpp_page.TARGET.write_text(ocpp_page.document(), encoding="utf-8")


if __name__ == "__main__":
    main()
