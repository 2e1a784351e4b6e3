"""What all commands share: where the exchange is, who signs, and how results are shown."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ParamSpec

import typer
from rich.console import Console
from rich.table import Table

from suan.client import keystore
from suan.client.api import Suan
from suan.client.errors import SuanError, UsageError
from suan.client.keystore import LocalKey
from suan.core.problems import FieldError

P = ParamSpec("P")
console = Console()
errors = Console(stderr=True)

Url = Annotated[str, typer.Option(envvar="SUAN_URL", help="Address of the exchange.")]
ApiKey = Annotated[str | None, typer.Option(envvar="SUAN_API_KEY", help="API key (sk_…) of your account.")]
KeyName = Annotated[
    str | None,
    typer.Option("--key", envvar="SUAN_KEY", help="Sign with this key of the keystore (name or file)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
URL_DEFAULT = "http://127.0.0.1:8000"


def signer(name: str | None) -> LocalKey | None:
    """The key to sign with, or None when the platform-held key of the account signs."""
    if name is None:
        return None
    return keystore.load(keystore.path_of(name), os.environ.get("SUAN_PASSWORD"))


def connect(url: str, api_key: str | None, key: str | None = None) -> Suan:
    """A client of the exchange at `url`."""
    return Suan(url, api_key=api_key, key=signer(key))


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """Turn this package's errors into one clear message and the documented exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except SuanError as error:
            errors.print(f"[red]{type(error).__name__}[/red]", end=": ", highlight=False)
            errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(error.exit_code) from error
        except FieldError as error:
            errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(UsageError.exit_code) from error

    return run


def show_json(document: Any) -> None:
    """Print a JSON document to standard output, unwrapped, for programs."""
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


def show_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool, empty: str) -> None:
    """Print rows as a table of `columns`, or as JSON whole; `empty` says what to do when there are none."""
    if as_json:
        show_json(list(rows))
        return
    if not rows:
        console.print(empty)
        return
    table = Table(*[column.replace("_", " ") for column in columns])
    for row in rows:
        table.add_row(*["" if row.get(column) is None else str(row[column]) for column in columns])
    console.print(table)


def show_fields(document: dict[str, Any], fields: Sequence[str], as_json: bool) -> None:
    """Print chosen fields of one document, or the whole as JSON."""
    if as_json:
        show_json(document)
        return
    width = max(len(name) for name in fields)
    for name in fields:
        if document.get(name) is not None:
            console.print(f"{name.replace('_', ' '):<{width}}  {document[name]}", highlight=False)
