"""How a driver comes to an account: by the operator's command, or in the demo."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from core.access import Actor
from core.models import AuditEntry, Organization
from drivers.models import Driver
from portal.demo import driver
from portal.demo import organization as demo
from tests import factories


def run(*words: str) -> str:
    out = StringIO()
    call_command("create_driver_account", *words, stdout=out)
    return out.getvalue()


def test_a_driver_signs_in_with_the_password_that_is_shown_once(
    organization: Organization, actor: Actor
) -> None:
    made = factories.make_driver(actor, "Anna", reference="K-77")
    email = f"{factories.unique('anna')}@example.org"
    words = (email, "--organization", organization.slug, "--driver", "k-77")
    first, again = run(*words), run(*words)
    password = re.search(r"only this once: (\S+)", first)
    assert password is not None
    client = Client()
    answer = client.post("/accounts/login/", {"login": email, "password": password[1]})

    assert answer.status_code == 302
    assert client.get("/me/").status_code == 200
    assert "Password" not in again
    assert AuditEntry.objects.filter(action="driver.account_given", object_id=str(made.pk)).exists()


def test_an_account_belongs_to_one_driver_of_an_operator(organization: Organization, actor: Actor) -> None:
    email = f"{factories.unique('anna')}@example.org"
    one, two = (factories.make_driver(actor) for _ in range(2))
    run(email, "--organization", organization.slug, "--driver", str(one.pk))

    with pytest.raises(CommandError, match="belongs to another driver"):
        run(email, "--organization", organization.slug, "--driver", str(two.pk))
    with pytest.raises(CommandError, match="no driver"):
        run(email, "--organization", organization.slug, "--driver", "nobody")


def test_the_demo_has_one_driver_with_an_account_and_a_card(db: None) -> None:
    owner, _ = demo.ensure()
    (email, password), (again, nothing) = driver.ensure(owner), driver.ensure(owner)
    made = Driver.objects.get(organization=owner)

    assert email == again == made.user.email
    assert password
    assert nothing is None
    assert made.tokens.count() == 1
