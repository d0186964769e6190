"""The editor of a tariff: fields for all that they can say, else the OCPI object as a text (dashboard 4.10).

Everything is in what was posted, so that elements come, go and change places without anything typed being lost,
with htmx and without any script.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import islice
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.formats import localize_input
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Invalid
from portal.dashboard.sentences import told
from portal.dashboard.tariff_fields import (
    JSON,
    MOST_ELEMENTS,
    PARTS,
    PRICES,
    DocumentForm,
    ElementForm,
    HeadForm,
    written,
)
from portal.dashboard.tariff_objects import OWN, compiled, differences, fields_of
from portal.dashboard.tariff_preview import pretty
from tariffs import documents

TOLD = 5
"""Places that the fields cannot show, named to the person."""
_SHAPES = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def _energy(price: str, *more: Mapping[str, Any], vat: int | None = 19) -> dict[str, Any]:
    components = [{"type": "ENERGY", "price": Decimal(price)}, *more]
    taxed = [one if vat is None else {**one, "vat": Decimal(vat)} for one in components]
    return {"elements": [{"price_components": taxed}]}


TEMPLATES: Mapping[str, tuple[str | Promise, Mapping[str, Any]]] = {
    "energy": (gettext_lazy("Per kWh"), _energy("0.45")),
    "occupancy": (
        gettext_lazy("Per kWh and occupancy"),
        {
            **_energy("0.45", {"type": "PARKING_TIME", "price": Decimal("3.00")}),
            "max_price": {"excl_vat": Decimal("30.00"), "incl_vat": Decimal("35.70")},
        },
    ),
    "free": (gettext_lazy("Free of charge"), _energy("0", vat=None)),
}


class Editor:
    """What was written of a tariff. A ``quiet`` one shows what was typed and complains of nothing.

    ``lossy`` names what the fields cannot show of an object that is therefore written as a document.
    """

    def __init__(
        self, data: MultiValueDict[str, str], *, quiet: bool = False, lossy: Sequence[str] = ()
    ) -> None:
        self.data, self.quiet, self.lossy = data, quiet, lossy
        self.mode = JSON if data.get("mode") == JSON else PRICES
        self.keys = keys_of(data)
        self.kept = data.get("kept", "")
        self._head = HeadForm(data)
        self._elements = [ElementForm(data, prefix=f"e{key}") for key in self.keys]
        self._document = DocumentForm(data)

    @cached_property
    def head(self) -> forms.Form:
        return self._shown(self._head)

    @cached_property
    def elements(self) -> list[tuple[str, forms.Form]]:
        """Each element's form with its key."""
        return [*zip(self.keys, map(self._shown, self._elements), strict=True)]

    @cached_property
    def document(self) -> forms.Form:
        return self._shown(self._document)

    @property
    def may_add(self) -> bool:
        return len(self.keys) < MOST_ELEMENTS

    @cached_property
    def _parsed(self) -> dict[str, Any] | None:
        """The object of the document; ``None`` where it is none, which then stands at the field."""
        if not self._document.is_valid():
            return None
        try:
            return _read(self._document.cleaned_data["document"])
        except Invalid as error:
            self._document.add_error("document", told(error.message))
            return None

    def is_valid(self) -> bool:
        """Whether it says an object at all; what the linter thinks of it does not matter here."""
        if self.mode == JSON:
            return self._parsed is not None and self._head.is_valid()
        return all([form.is_valid() for form in (self._head, *self._elements)]) and self._kept is not None

    @property
    def can_be_told(self) -> bool:
        """As :meth:`is_valid`, but without the name, which no driver reads."""
        if self.mode == JSON:
            return self._parsed is not None
        return not {*self._head.errors} - {"name"} and all([form.is_valid() for form in self._elements])

    @property
    def name(self) -> str:
        return str(self.data.get("name", "")).strip()

    def content(self) -> dict[str, Any]:
        """The OCPI object that was written; only of one that is valid or can be told."""
        if self.mode == JSON:
            return dict(self._parsed or {})
        elements = [one.cleaned_data for one in self._elements]
        return compiled(self._head.cleaned_data, elements, self._kept or {})

    def refuse(self, field: str, message: str) -> None:
        """Put what a service refused where it belongs."""
        if self.mode == JSON and field == "document":
            self._document.add_error("document", message)
        else:
            self._head.add_error(field if field in self._head.fields else None, message)

    def faults(self) -> Iterator[str]:
        """What cannot be read, each with the name of its field."""
        numbered = [(_("Element %(n)s") % {"n": n}, form) for n, form in enumerate(self._elements, 1)]
        found = [("", self._document)] if self.mode == JSON else [("", self._head), *numbered]
        for place, form in found:
            for name, errors in form.errors.items():
                field = form.fields.get(name)
                label = field.widget.attrs.get("aria-label", field.label) if field else ""
                where = " · ".join(str(word) for word in (place, label) if word)
                yield f"{where}: {' '.join(map(str, errors))}" if where else " ".join(map(str, errors))

    @cached_property
    def _kept(self) -> dict[str, Any] | None:
        """What no field shows. ``None`` where it came back broken, which is told: it would be lost."""
        try:
            return _read(self.kept or "{}")
        except Invalid:
            self._head.add_error(None, _("What no field shows did not come back. Open the tariff again."))
            return None

    def _shown(self, form: forms.Form) -> forms.Form:
        return type(form)(initial=written(form, self.data), prefix=form.prefix) if self.quiet else form


def opened(name: str, content: Mapping[str, Any]) -> Editor:
    """The editor of an object: by fields, or as a document where they cannot show all of it."""
    text = {"name": name, "mode": JSON, "document": pretty(content)}
    try:
        data = _posted(name, content)
        by_fields = Editor(data)
        said = by_fields.content() if by_fields.can_be_told else None
    except _SHAPES:
        said = None
    lossy = [""] if said is None else [*islice(differences(said, dict(content)), TOLD)]
    if not lossy:
        return Editor(data, quiet=True)
    return Editor(_dict_of(text), quiet=True, lossy=lossy)


def acted(editor: Editor, act: str) -> Editor:
    """After a button of the form that saves nothing: another element, one less, another order, another form."""
    if act == "document":
        return _as_document(editor)
    if act == "fields":
        return opened(editor.name, editor.content()) if editor.can_be_told else editor
    if act == "try":
        return Editor(editor.data, quiet=True)
    data = QueryDict(mutable=True)
    for name, values in editor.data.lists():
        data.setlist(name, values)
    data.setlist("elements", _moved(editor, data, act))
    return Editor(data, quiet=True)


def keys_of(data: MultiValueDict[str, str]) -> list[str]:
    """The keys of the elements' fields, in the order of the elements."""
    keys = [key for key in data.getlist("elements") if key.isascii() and key.isdecimal() and len(key) <= 4]
    return [*dict.fromkeys(keys)][:MOST_ELEMENTS]


def _read(text: str) -> dict[str, Any]:
    """The object of a text, if it can also be written again. Raises :class:`core.errors.Invalid`."""
    found = documents.loads(text)
    documents.dumps(found)
    return found


def _as_document(editor: Editor) -> Editor:
    if not editor.can_be_told:
        return editor
    text = {"name": editor.name, "mode": JSON, "document": pretty(editor.content())}
    return Editor(_dict_of(text), quiet=True)


def _moved(editor: Editor, data: QueryDict, act: str) -> list[str]:
    """The keys after the button; a new element begins with the VAT of the others."""
    keys, (kind, _colon, key) = [*editor.keys], act.partition(":")
    if kind == "add" and editor.may_add:
        fresh = str(max(map(int, keys), default=-1) + 1)
        for part in PARTS:
            data[f"e{fresh}-{part.name}_vat"] = _usual_vat(editor)
        return [*keys, fresh]
    if key not in keys:
        return keys
    place = keys.index(key)
    keys.remove(key)
    if kind in ("up", "down"):
        keys.insert(max(place - 1, 0) if kind == "up" else place + 1, key)
    return keys if kind in ("up", "down", "remove") else [*editor.keys]


def _usual_vat(editor: Editor) -> str:
    names = (f"e{key}-{part.name}_vat" for key in editor.keys for part in PARTS)
    return next((found for name in names if (found := editor.data.get(name, ""))), "")


def _posted(name: str, content: Mapping[str, Any]) -> MultiValueDict[str, str]:
    """What a browser would post of the object's fields; rows without a price begin with the usual VAT."""
    head, elements = fields_of(content)
    kept = {word: value for word, value in content.items() if word not in OWN}
    values: dict[str, Any] = {**head, "name": name, "mode": PRICES, "kept": documents.dumps_any(kept)}
    values["elements"] = [str(number) for number in range(len(elements))]
    for number, fields in enumerate(elements):
        vat = next((fields[f"{one.name}_vat"] for one in PARTS if f"{one.name}_vat" in fields), "")
        usual = {f"{one.name}_vat": vat for one in PARTS}
        values |= {f"e{number}-{word}": value for word, value in {**usual, **fields}.items()}
    return _dict_of(values)


def _dict_of(values: Mapping[str, Any]) -> MultiValueDict[str, str]:
    return MultiValueDict(
        {
            name: [str(localize_input(one)) for one in (value if isinstance(value, list) else [value])]
            for name, value in values.items()
        }
    )
