"""Settings: `production` unless ``DEBUG`` is on (`portal.runtime.settings_module`); tests name `test`."""
