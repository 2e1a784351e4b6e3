"""The form of a bid: which job, how many runs, at what price, by when."""

from __future__ import annotations

import secrets
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from frontend.bids import examples
from frontend.fields import HOUR, MINUTE, DurationField, TokensField, WholeField
from suan.core.orders import LIMITS, PRODUCTS, BidTerms

INPUT_CHARACTERS_MAX = 65_536
HASH = r"^0x[0-9a-f]{64}\Z"
MIB = 1 << 20
# Field of the rule that refuses -> field of this form.
NAMES = {
    "limit_price": "price",
    "ceiling_units": "ceiling",
    "valid_until": "valid",
    "deliver_by": "deliver",
    "terms.module": "module",
    "terms.input": "stdin_file",
    "terms.memory_bytes": "memory",
    "terms.wall_seconds": "wall_seconds",
    "terms.disclosure": "disclosure",
}


class BidForm(forms.Form):
    """A job comes from an example, from a file, or (kept_…) from an upload that an earlier try of this form made."""

    job = forms.ChoiceField(label=_("Job"), widget=forms.RadioSelect, initial="upload")
    module = forms.FileField(
        label=_("WebAssembly module"),
        required=False,
        allow_empty_file=True,
        help_text=_(
            "A .wasm file of at most 4 MiB that follows the job contract. Measure it first with suan job measure."
        ),
        widget=forms.FileInput(attrs={"accept": ".wasm,application/wasm"}),
    )
    stdin = forms.CharField(
        label=_("Input as text"),
        required=False,
        strip=False,
        max_length=INPUT_CHARACTERS_MAX,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=_("What the job reads from standard input. Left empty, an example gets its own input."),
    )
    stdin_file = forms.FileField(
        label=_("or input as a file"),
        required=False,
        allow_empty_file=True,
    )
    kept_module = forms.RegexField(HASH, required=False, widget=forms.HiddenInput)
    kept_stdin = forms.RegexField(HASH, required=False, widget=forms.HiddenInput)
    product = forms.ChoiceField(label=_("Product"), choices=[(symbol, symbol) for symbol in PRODUCTS])
    runs = WholeField(
        label=_("Runs"), least=1, most=10_000, initial=1, help_text=_("Each run gets its own index and seed.")
    )
    ceiling = WholeField(
        label=_("Ceiling of one run, in work units"),
        least=LIMITS.ceiling_min,
        most=LIMITS.ceiling_max,
        help_text=_("A run stops here. 1 GFLOPS·h is 3,600,000 work units."),
    )
    price = TokensField(
        label=_("Highest price, in TSUAN per GFLOPS·h"),
        help_text=_("You pay the auction's price, never more than this."),
    )
    valid = DurationField(label=_("Trade within"), initial=10 * MINUTE)
    deliver = DurationField(label=_("Deliver within"), initial=HOUR)
    memory = WholeField(
        label=_("Memory of a run, in MiB"), least=1, most=LIMITS.memory_bytes_max // MIB, initial=64
    )
    wall_seconds = WholeField(
        label=_("Longest time of a run, in seconds"), least=1, most=LIMITS.wall_seconds_max, initial=30
    )
    disclosure = forms.ChoiceField(
        label=_("Who may see the job"),
        choices=[
            ("public", _("everybody: code, input and output are published as evidence")),
            ("private", _("provider and exchange only")),
        ],
        initial="public",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["runs"].max_value = settings.RUNS_PER_BID_MAX
        choices = [(example.name, example.title) for example in examples.available()]
        self.fields["job"].choices = [*choices, ("upload", _("my own module"))]
        if choices and not self.is_bound:
            self.initial.setdefault("job", choices[0][0])

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("job") == "upload" and not values.get("module") and not values.get("kept_module"):
            self.add_error("module", _("Choose a file, or one of the example jobs."))
        for name, most in (
            ("module", settings.MODULE_BYTES_MAX),
            ("stdin_file", settings.ARTIFACT_BYTES_MAX),
        ):
            file = values.get(name)
            if file and file.size > most:
                text = _("%(size)s bytes; the limit is %(most)s.")
                self.add_error(name, text % {"size": file.size, "most": most})
        if values.get("valid") and values.get("deliver") and values["deliver"] < values["valid"]:
            self.add_error("deliver", _("Choose at least as long as the time to trade."))
        return values

    def job_bytes(self) -> tuple[bytes | None, bytes | None]:
        """Module and input as chosen; None for one that was uploaded before (kept_module, kept_stdin)."""
        values = self.cleaned_data
        example = examples.by_name(values["job"])
        module, stdin = values.get("module"), values.get("stdin_file")
        text = values.get("stdin", "").replace("\r\n", "\n").encode()
        if example is not None:
            data = stdin.read() if stdin else text or example.stdin.encode()
            return example.path.read_bytes(), data
        if stdin:
            data = stdin.read()
        else:
            data = None if values.get("kept_stdin") and not text else text
        return module.read() if module else None, data

    def body(self, *, module: str, stdin: str, now: int) -> dict[str, Any]:
        """The body of POST /bids with whole numbers inside; module and stdin are SHA-256 of uploads."""
        values = self.cleaned_data
        terms = BidTerms(
            module=bytes.fromhex(module[2:]),
            input=bytes.fromhex(stdin[2:]),
            memory_bytes=values["memory"] * MIB,
            wall_seconds=values["wall_seconds"],
            disclosure=values["disclosure"],
        )
        return {
            "client_order_id": f"web-{secrets.token_hex(8)}",
            "product": values["product"],
            "limit_price": values["price"],
            "runs": values["runs"],
            "ceiling_units": values["ceiling"],
            "valid_until": now + values["valid"],
            "deliver_by": now + values["deliver"],
            "terms": terms.to_json(),
        }
