"""Who stands at the operator's console: users of the market with `is_staff`."""

import getpass
import os

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password
from django.core.management.base import CommandError

PASSWORD_VARIABLE = "SUAN_OPERATOR_PASSWORD"  # noqa: S105


def staff(name: str) -> str:
    """The user name, if it is a person of the staff who may act. Raises CommandError with the next step."""
    _find(name)
    return name


def proven(name: str) -> str:
    """As staff, after the password was given (asked, or in SUAN_OPERATOR_PASSWORD for programs)."""
    user = _find(name)
    password = os.environ.get(PASSWORD_VARIABLE) or getpass.getpass(f"Password of {name}: ")
    if not check_password(password, user.password):
        raise CommandError(f"that is not the password of {name}")
    return name


def _find(name: str) -> object:
    user = get_user_model().objects.filter(username=name, is_staff=True, is_active=True).first()
    if user is None:
        raise CommandError(
            f"{name} is no person of the staff; make one with: python manage.py createsuperuser --username {name}"
        )
    return user
