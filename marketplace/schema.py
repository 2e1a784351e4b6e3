"""OpenAPI: every operation may answer with a problem (RFC 9457), so the schema says so once for all."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from marketplace.problems import CONTENT_TYPE

PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457. `errors` names each field at fault by JSON pointer, the limit and the next step.",
    "required": ["type", "title", "status", "detail", "instance", "code", "errors", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail", "code"],
                "properties": {
                    "pointer": {"type": "string"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
    },
}
DESCRIPTIONS = {
    "400": "Malformed: not JSON, or a broken request",
    "401": "Not signed in, or the key is unknown, expired or revoked",
    "403": "The key lacks the scope, or the CSRF token is missing",
    "404": "No such thing, or not yours to see",
    "405": "Method not allowed",
    "409": "The state of the thing does not allow this",
    "413": "Larger than the limit of the call",
    "415": "Unsupported media type",
    "422": "Refused: `errors` names each field, its limit and the next step",
    "429": "Too many requests: see Retry-After",
    "503": "A part that this call needs is not ready: retry later",
}
METHODS = ("get", "post", "put", "patch", "delete")


def describe_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's post-processing hook: adds the component Problem and the error answers of every call."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in result.get("paths", {}).values():
        for method in METHODS:
            if method not in path:
                continue
            responses = path[method].setdefault("responses", {})
            for status, description in DESCRIPTIONS.items():
                responses.setdefault(status, {"description": description, "content": content})
    return result


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "marketplace.accounts.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "An API key: sk_…"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "marketplace.accounts.authentication.ParticipantSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "Session and X-CSRFToken",
        }
