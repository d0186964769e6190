"""The form that drafts a firmware rollout: whom, which image, in which waves, when, and what stops it."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core.access import Actor
from stations.domain.rollouts import DAYS
from stations.models import FirmwareImage, Site
from stations.services.rollouts import planning

WAVE = re.compile(r"(\d{1,5})\s*(%?)")
TARGETS = ("site", "vendor", "model", "firmware_version", "tag")
DAY_NAMES = {
    "MONDAY": gettext_lazy("Monday"),
    "TUESDAY": gettext_lazy("Tuesday"),
    "WEDNESDAY": gettext_lazy("Wednesday"),
    "THURSDAY": gettext_lazy("Thursday"),
    "FRIDAY": gettext_lazy("Friday"),
    "SATURDAY": gettext_lazy("Saturday"),
    "SUNDAY": gettext_lazy("Sunday"),
}


class WavesField(forms.CharField):
    """``1, 10 %, 50 %`` as ``[{"count": 1}, {"percent": 10}, …]``."""

    def clean(self, value: Any) -> list[dict[str, int]]:
        text = super().clean(value)
        return [_wave(piece.strip()) for piece in text.split(",") if piece.strip()]


class RolloutForm(forms.Form):
    image = forms.ModelChoiceField(
        FirmwareImage.objects.none(),
        label=gettext_lazy("Image"),
        help_text=gettext_lazy("Only checked images can be chosen"),
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100, required=False)
    site = forms.ModelChoiceField(
        Site.objects.none(), label=gettext_lazy("Site"), required=False, empty_label=gettext_lazy("All sites")
    )
    vendor = forms.CharField(label=gettext_lazy("Vendor"), max_length=50, required=False)
    model = forms.CharField(label=gettext_lazy("Model"), max_length=50, required=False)
    firmware_version = forms.CharField(label=gettext_lazy("Runs version"), max_length=50, required=False)
    tag = forms.CharField(label=gettext_lazy("Tag"), max_length=40, required=False)
    waves = WavesField(
        label=gettext_lazy("Waves"),
        required=False,
        max_length=300,
        initial="1, 10 %, 100 %",
        help_text=gettext_lazy("Stations or percent of all, one after another; the last wave takes the rest"),
    )
    soak_minutes = forms.IntegerField(
        label=gettext_lazy("Minutes between waves"), min_value=0, max_value=43_200, initial=60
    )
    concurrency = forms.IntegerField(
        label=gettext_lazy("At most at once, per site"), min_value=1, max_value=1000, initial=5
    )
    only_when_idle = forms.BooleanField(
        label=gettext_lazy("Only stations without a running session"), required=False, initial=True
    )
    window_start = forms.TimeField(
        label=gettext_lazy("Begins at"),
        required=False,
        widget=forms.TimeInput({"type": "time"}),
        help_text=gettext_lazy("By the clock of each station's site; empty: at any time"),
    )
    window_end = forms.TimeField(
        label=gettext_lazy("Ends at"), required=False, widget=forms.TimeInput({"type": "time"})
    )
    window_days = forms.MultipleChoiceField(
        label=gettext_lazy("Nights that begin on"),
        required=False,
        choices=[(day, DAY_NAMES[day]) for day in DAYS],
        widget=forms.CheckboxSelectMultiple,
    )
    failure_count = forms.IntegerField(
        label=gettext_lazy("Stop when this many of a wave fail"),
        min_value=1,
        max_value=10_000,
        required=False,
        initial=2,
    )
    failure_threshold = forms.IntegerField(
        label=gettext_lazy("Or this percentage of it"), min_value=1, max_value=100, required=False, initial=5
    )
    retries = forms.IntegerField(
        label=gettext_lazy("Further tries per station"), min_value=0, max_value=10, initial=1
    )

    def __init__(self, *args: Any, actor: Actor, **values: Any) -> None:
        super().__init__(*args, **values)
        images = FirmwareImage.objects.visible_to(actor).live().filter(state=FirmwareImage.State.READY)
        self.fields["image"].queryset = images.order_by("-id")  # type: ignore[attr-defined]
        self.fields["site"].queryset = Site.objects.visible_to(actor).live()  # type: ignore[attr-defined]

    def values(self) -> dict[str, Any]:
        """As :func:`planning.draft` takes them; without any filter it is for every station the image fits."""
        given = self.cleaned_data
        wanted = {name: given[name] for name in TARGETS if given[name]}
        if not wanted and given["image"].vendor:
            wanted = {"vendor": given["image"].vendor}
        return {
            "image": given["image"],
            "name": given["name"],
            "filter": planning.stored_filter(wanted),
            "waves_wanted": given["waves"],
            "soak_seconds": given["soak_minutes"] * 60,
            **{name: given[name] for name in SAME},
        }


SAME = ("concurrency", "only_when_idle", "window_start", "window_end", "window_days", "failure_count",
        "failure_threshold", "retries")  # fmt: skip


def waves_in_words(waves: list[dict[str, int]]) -> str:
    """``1 station, 10 %, the rest``."""
    if not waves:
        return _("1 station, then the rest")
    words = [
        f"{wave['percent']} %"
        if "percent" in wave
        else ngettext("%(n)d station", "%(n)d stations", wave["count"]) % {"n": wave["count"]}
        for wave in waves[:-1]
    ]
    return ", ".join([*words, _("the rest")])


def _wave(text: str) -> dict[str, int]:
    match = WAVE.fullmatch(text)
    if match is None:
        raise forms.ValidationError(_("Write waves as “1, 10 %, 100 %”."))
    number, percent = int(match[1]), bool(match[2])
    if not number or (percent and number > 100):
        raise forms.ValidationError(_("A wave has at least one station and at most 100 %."))
    return {"percent": number} if percent else {"count": number}
