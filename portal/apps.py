from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from portal import celery, sign_ins  # noqa: F401  tasks bind to this application wherever they are called

        sign_ins.connect()
