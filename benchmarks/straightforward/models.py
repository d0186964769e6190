"""Tables of the yardstick."""

from django.contrib.auth.hashers import check_password, make_password
from django.db import models


class ChargePointRow(models.Model):
    identity = models.CharField(max_length=48, unique=True)
    password = models.CharField(max_length=128)
    vendor = models.CharField(max_length=50, blank=True)
    last_seen = models.DateTimeField(null=True)

    class Meta:
        app_label = "straightforward"

    def __str__(self) -> str:
        return self.identity

    def knows(self, password: str) -> bool:
        return check_password(password, self.password)

    @staticmethod
    def hashed(password: str) -> str:
        return make_password(password)


class MeterValue(models.Model):
    charge_point = models.ForeignKey(ChargePointRow, on_delete=models.CASCADE)
    connector = models.IntegerField()
    measurand = models.CharField(max_length=50)
    phase = models.CharField(max_length=10, blank=True)
    unit = models.CharField(max_length=20, blank=True)
    value = models.DecimalField(max_digits=16, decimal_places=3)
    timestamp = models.DateTimeField()

    class Meta:
        app_label = "straightforward"

    def __str__(self) -> str:
        return f"{self.measurand} {self.value}"


class Frame(models.Model):
    charge_point = models.ForeignKey(ChargePointRow, on_delete=models.CASCADE)
    at = models.DateTimeField(auto_now_add=True)
    direction = models.CharField(max_length=3)
    text = models.TextField()

    class Meta:
        app_label = "straightforward"

    def __str__(self) -> str:
        return f"{self.direction} {self.at}"
