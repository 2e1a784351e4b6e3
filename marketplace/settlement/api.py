"""HTTP of settlement: one close with its outcomes, its signatures and where its evidence is."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.rest import ApiView
from marketplace.settlement import queries


class SettlementView(ApiView):
    @extend_schema(responses=OpenApiTypes.OBJECT, operation_id="settlement")
    def get(self, request: Request, root: str) -> Response:
        """The settlement under a receipts root: what was signed, sent and made final."""
        return Response(queries.render(queries.settlement_by_root(root)))


urlpatterns = [path("settlements/<str:root>", SettlementView.as_view())]
