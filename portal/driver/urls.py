"""Addresses below ``/me/``: every view is a driver's own (`entry.own`)."""

from django.urls import path

from portal.driver import (
    adding_cards,
    cards,
    charging,
    invoice_files,
    invoices,
    live,
    payments,
    places,
    privacy,
    sessions,
    signed_values,
)

app_name = "driver"

urlpatterns = [
    path("", sessions.home, name="home"),
    path("sessions/<uuid:pk>/", sessions.show, name="session"),
    path("sessions/<uuid:pk>/signed/", signed_values.download, name="session_signed"),
    path("sessions/<uuid:pk>/live/", live.stream, name="live"),
    path("sessions/<uuid:pk>/stop/", charging.stop, name="stop"),
    path("start/<str:code>", charging.start, name="start"),
    path("starts/<uuid:pk>/", charging.starting, name="starting"),
    path("stations/", places.listing, name="places"),
    path("stations/<uuid:pk>/favourite/", places.favour, name="favour"),
    path("invoices/", invoices.listing, name="invoices"),
    path("invoices/<uuid:pk>/", invoices.show, name="invoice"),
    path("wallets/<uuid:pk>/", invoices.wallet, name="wallet"),
    path("invoices/<uuid:pk>/pdf/", invoice_files.pdf, name="invoice_pdf"),
    path("invoices/<uuid:pk>/xml/", invoice_files.xml, name="invoice_xml"),
    path("invoices/<uuid:pk>/pay/", payments.pay, name="pay"),
    path("wallets/<uuid:pk>/top-up/", payments.top_up, name="top_up"),
    path("payments/<uuid:pk>/", payments.show, name="payment"),
    path("payments/<uuid:pk>/look/", payments.look, name="payment_look"),
    path("payment-methods/<uuid:pk>/remove/", payments.remove, name="card_remove"),
    path("payers/<uuid:pk>/mail/", payments.mail, name="invoice_mail"),
    path("details/", privacy.details, name="details"),
    path("details/<uuid:pk>/export/", privacy.export, name="export"),
    path("details/<uuid:pk>/erase/", privacy.erase, name="erase"),
    path("cards/", cards.listing, name="cards"),
    path("cards/add/", adding_cards.begin, name="card_new"),
    path("cards/added/<uuid:pk>/", adding_cards.waiting, name="card_waiting"),
    path("cards/<uuid:pk>/", cards.rename, name="card"),
    path("cards/<uuid:pk>/block/", cards.block, name="block"),
]
