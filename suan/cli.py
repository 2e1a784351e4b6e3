"""The `suan` command: one door for buyers, providers, verifiers and auditors.

Exit codes: 0 done, 1 an audit found a difference, 2 wrong usage, 3 refused, 4 outcome unknown (repeat safely), 5 network.
"""

from __future__ import annotations

import typer

from suan.commands import account, auditing, disputing, jobs, provider, trading, verifier

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Trade computing power: bid for runs of a job, sell a machine's capacity, audit the books.",
)
for group in (trading, account, provider, verifier, disputing, jobs, auditing):
    group.register(app)

if __name__ == "__main__":
    app()
