"""Every address of the server on one page: rooms under /api/v1/, pages under /."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

urlpatterns = [
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/", include("marketplace.accounts.api")),
    path("api/v1/", include("marketplace.book.api")),
    path("api/v1/", include("marketplace.clearing.api")),
    path("api/v1/", include("marketplace.delivery.api")),
    path("api/v1/", include("marketplace.receipts.api")),
    path("api/v1/", include("marketplace.settlement.api")),
    path("api/v1/", include("ledger.api")),
    path("", include("ledger.evidence.urls")),
    path("", include("frontend.urls")),
]
