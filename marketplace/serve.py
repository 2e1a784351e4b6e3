"""The web server: `python -m marketplace.serve HOST PORT`.

Waitress, because all pages and calls are ordinary functions: threads that live on, each with its own database
connection, cost a third less processor time per request than handing every request from an event loop to a thread.
It takes in a request as a whole before a thread is bothered, so slow clients hold no thread. SIGTERM lets the requests
under way finish (5 s).
"""

import argparse
import signal
import sys

from django.conf import settings
from waitress import create_server

from marketplace.wsgi import application

THREADS = 16
CONNECTIONS_MAX = 400
IDLE_SECONDS_MAX = 60
BODY_BYTES_MAX = 4 * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
"""Above the limits of the calls, which are refused with words; this one guards the disk that bodies are kept on."""
PROXY_HEADERS = {"x-forwarded-for", "x-forwarded-proto"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m marketplace.serve", description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    chosen = parser.parse_args()
    # Only a proxy may say who asked and how; nobody is believed where there is none.
    proxy = (
        {"trusted_proxy": "*", "trusted_proxy_headers": PROXY_HEADERS} if settings.BEHIND_TLS_PROXY else {}
    )
    server = create_server(
        application,
        host=chosen.host,
        port=chosen.port,
        threads=THREADS,
        connection_limit=CONNECTIONS_MAX,
        channel_timeout=IDLE_SECONDS_MAX,
        max_request_body_size=BODY_BYTES_MAX,
        clear_untrusted_proxy_headers=True,
        ident=None,
        **proxy,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.run()


if __name__ == "__main__":
    main()
