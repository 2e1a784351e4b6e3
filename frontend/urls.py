"""Addresses of the windows. `page` turns refusals into pages; `private` pages send visitors to sign in first."""

from django.urls import path

from frontend.account import requests as account_requests
from frontend.account import views as account
from frontend.audit import views as audit
from frontend.bids import views as bids
from frontend.explorer import search
from frontend.explorer import views as explorer
from frontend.home import views as home
from frontend.markets import views as markets
from frontend.offers import views as offers
from frontend.orders import views as orders
from frontend.pages import page, private
from frontend.sessions import views as sessions
from frontend.status import views as status
from frontend.trades import views as trades
from frontend.verify import views as verify

urlpatterns = [
    path("", page(home.home), name="home"),
    path("markets", page(markets.markets), name="markets"),
    path("markets/<str:symbol>", page(markets.product), name="product"),
    path("auctions/<str:clearing_id>", page(markets.auction), name="auction"),
    path("sign-in", page(sessions.sign_in), name="sign-in"),
    path("register", page(sessions.register), name="register"),
    path("sign-out", page(sessions.sign_out), name="sign-out"),
    path("account", private(account.account), name="account"),
    path("account/faucet", private(account.faucet), name="faucet"),
    path("account/keys", private(account.make_key), name="make-key"),
    path("account/keys/<str:prefix>/revoke", private(account.revoke_key), name="revoke-key"),
    path("account/requests/<str:kind>", private(account_requests.ask), name="account-request"),
    path("offers", private(offers.offers), name="offers"),
    path("offers/new", private(offers.new), name="new-offer"),
    path("offers/place", private(offers.place), name="place-offer"),
    path("offers/<str:order_id>/edit", private(offers.edit), name="edit-offer"),
    path("bids/new", private(bids.new), name="new-bid"),
    path("bids/place", private(bids.place), name="place-bid"),
    path("orders", private(orders.orders), name="orders"),
    path("orders/<str:order_id>", private(orders.order), name="order"),
    path("orders/<str:order_id>/cancel", private(orders.cancel), name="cancel-order"),
    path("orders/<str:order_id>/acknowledgement", private(orders.acknowledgement), name="acknowledgement"),
    path("trades", page(trades.trades), name="trades"),
    path("trades/<str:trade_id>", page(trades.trade), name="trade"),
    path("trades/<str:trade_id>/runs/<int:run>/output", private(trades.output), name="output"),
    path("audit", page(audit.audit), name="audit"),
    path("explorer", page(explorer.overview), name="explorer"),
    path("explorer/search", page(search.search), name="explorer-search"),
    path("explorer/blocks/<str:block>", page(explorer.block), name="explorer-block"),
    path("explorer/transactions/<str:tx_hash>", page(explorer.transaction), name="explorer-transaction"),
    path("explorer/batches/<str:batch_id>", page(explorer.batch), name="explorer-batch"),
    path("explorer/receipts/<str:receipt_id>", page(explorer.receipt), name="explorer-receipt"),
    path("explorer/orders/<str:order_id>", page(explorer.order), name="explorer-order"),
    path("explorer/parties/<str:address_>", page(explorer.party), name="explorer-party"),
    *(
        path(f"explorer/{name}", page(explorer.listed), {"name": name}, name=f"explorer-{name}")
        for name in explorer.LISTS
    ),
    path("verify", page(verify.verify), name="verify"),
    path("status", page(status.status), name="status"),
]
