"""The form of an offer."""

from __future__ import annotations

import secrets
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from frontend.fields import DAY, HOUR, DurationField, HoursField, TokensField, WholeField
from frontend.formats import rate_text, short_id
from suan.core.orders import LIMITS, PRODUCTS, OfferTerms
from suan.runtime import runner_for

# Field of the rule that refuses -> field of this form.
NAMES = {
    "terms.agent": "node",
    "terms.rate_mflops": "rate_mflops",
    "limit_price": "price",
    "valid_until": "valid",
    "deliver_by": "deliver",
    "product": "node",
}


class OfferForm(forms.Form):
    """Capacity of one node, at a price. The product follows from the node's class and region."""

    node = forms.ChoiceField(
        label=_("Node"),
        help_text=_("Its class and region decide the product."),
    )
    rate_mflops = WholeField(
        label=_("Rate you promise, in MFLOPS"),
        least=1,
        most=LIMITS.rate_mflops_max,
        help_text=_(
            "At most what the node was measured at. You never get more runs than this rate can finish in time."
        ),
    )
    units = HoursField(
        label=_("Amount of work, in GFLOPS·h"), help_text=_("1 GFLOPS·h is 3,600,000 work units.")
    )
    price = TokensField(
        label=_("Lowest price, in TSUAN per GFLOPS·h"),
        help_text=_("You get the auction's price, never less than this."),
    )
    valid = DurationField(label=_("Trade within"), initial=HOUR)
    deliver = DurationField(
        label=_("Deliver within"),
        initial=DAY,
        help_text=_(
            "Not shorter than the time to trade: what is left may trade until then, and runs end by then."
        ),
    )
    client_order_id = forms.RegexField(
        r"^[\x21-\x7e]{1,64}\Z", widget=forms.HiddenInput, required=False, strip=False
    )

    def __init__(self, *args: Any, nodes: list[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.nodes = {f"{node.agent}|{node.resource_class}": node for node in nodes}
        self.fields["node"].choices = [
            (
                name,
                f"{node.resource_class} · {node.region} · {rate_text(node.rate_mflops)} · {short_id(node.agent)}",
            )
            for name, node in self.nodes.items()
        ]
        if nodes and not self.is_bound:
            self.initial.setdefault("rate_mflops", nodes[0].rate_mflops)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        node = self.nodes.get(values.get("node", ""))
        rate = values.get("rate_mflops")
        if node is not None and rate is not None and rate > node.rate_mflops:
            text = _("This node was measured at %(measured)s MFLOPS; promise no more than that.")
            self.add_error("rate_mflops", text % {"measured": node.rate_mflops})
        if values.get("valid") and values.get("deliver") and values["deliver"] < values["valid"]:
            self.add_error("deliver", _("Choose at least as long as the time to trade."))
        return values

    def body(self, *, now: int) -> dict[str, Any]:
        """The body of POST /offers with whole numbers inside."""
        values = self.cleaned_data
        node = self.nodes[values["node"]]
        engine = runner_for(node.resource_class).version
        terms = OfferTerms(agent=node.agent, rate_mflops=values["rate_mflops"], engine=engine)
        symbol = next(
            name
            for name, product in PRODUCTS.items()
            if (product.resource_class, product.region) == (node.resource_class, node.region)
        )
        return {
            "client_order_id": values["client_order_id"] or f"web-{secrets.token_hex(8)}",
            "product": symbol,
            "limit_price": values["price"],
            "units": values["units"],
            "valid_until": now + values["valid"],
            "deliver_by": now + values["deliver"],
            "terms": terms.to_json(),
        }
