from django.apps import AppConfig


class StationsConfig(AppConfig):
    name = "stations"

    def ready(self) -> None:
        from stations.services import webhook_alerts

        webhook_alerts.listen()
