"""Who may act: participants, their API keys, nodes, sign-in nonces, and what was relayed for them.

A participant is one address. Its key is held by the owner (a wallet) or, for password accounts, by the platform:
`ledger.custodial` keeps such keys encrypted under the address, so no secret is stored here.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from marketplace.fields import AddressField, UintField

SCOPES = ("read", "trade", "provide")


class Participant(models.Model):
    """One address that trades. `custodial`: the platform holds the key and signs on the owner's request."""

    address = AddressField(unique=True)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="participant"
    )
    custodial = models.BooleanField()
    display_name = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(address__regex=r"^0x[0-9a-f]{40}$"), name="participant_address_lower"
            )
        ]

    def __str__(self) -> str:
        return self.display_name or self.address

    @property
    def is_authenticated(self) -> bool:
        return True


class ApiKey(models.Model):
    """A program's key: `sk_<prefix>_<secret>`. Only the prefix and the SHA-256 of the whole key are stored."""

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=64)
    prefix = models.CharField(max_length=16, unique=True)
    key_hash = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=16))
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.prefix} ({self.name})"


class Node(models.Model):
    """A provider's machine, named by its agent key, per class. `rate_mflops` was measured by its benchmark."""

    agent = AddressField()
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="nodes")
    region = models.CharField(max_length=32)
    resource_class = models.CharField(max_length=32)
    rate_mflops = models.PositiveBigIntegerField()
    benchmark = models.JSONField(default=dict)
    measured_at = models.DateTimeField()
    last_seen = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "resource_class"], name="node_once_per_class")
        ]

    def __str__(self) -> str:
        return f"{self.agent} {self.resource_class} {self.region}"


class SiweNonce(models.Model):
    """One sign-in message that the server rendered. It is good once, until `expires_at`."""

    nonce = models.CharField(max_length=32, unique=True)
    address = AddressField()
    message = models.TextField()
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.nonce


class RelayedRequest(models.Model):
    """A signed request that the relayer carries to the chain. `key` is the outgoing transaction's key.

    `settled`: the hold of a withdrawal was let go, since the chain's final event moved the money, or it failed.
    """

    KINDS = [
        (kind, kind) for kind in ("deposit", "withdrawal", "delegate", "agent", "cancel", "faucet", "sweep")
    ]

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="relayed")
    kind = models.CharField(max_length=16, choices=KINDS)
    key = models.CharField(max_length=128, unique=True)
    amount = UintField(null=True)
    request = models.JSONField()
    settled = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["participant", "kind", "created_at"])]

    def __str__(self) -> str:
        return self.key
