"""Settings: production unless ``DEBUG`` is on. Tests name ``portal.settings.test`` themselves."""

import os

if os.environ.get("DEBUG", "").lower() in {"1", "true", "yes", "on"}:
    from portal.settings.development import *
else:
    from portal.settings.production import *
