"""The web tier: what stands between a client's browser and a parked transfer. No framework is imported here.

One core (`Web`), and a thin adapter for each framework, imported on demand: `producers.web.starlette` (FastAPI as
well), `producers.web.django`, `producers.web.flask`. `docs/web.md` shows each. Needs the extra `web`.
"""

from epay_transfers.producers.web.exchange import Reply, Request
from epay_transfers.producers.web.look import Look
from epay_transfers.producers.web.pages import redirect_page
from epay_transfers.producers.web.tier import ROUTES, Route, Web
from epay_transfers.runtime.web_addresses import Places

__all__ = ["ROUTES", "Look", "Places", "Reply", "Request", "Route", "Web", "redirect_page"]
