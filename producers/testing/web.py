"""A web tier on `FakeTransfers`, for the unit tests of a project that mounts ours: no server, no environment.

Needs the extra `web`, as the web tier itself does.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from epay_transfers.ledger.errors import WrongCall
from epay_transfers.ledger.secret import Secret
from epay_transfers.producers.testing.fake import FakeTransfers
from epay_transfers.producers.web import Places, Web

BASE_URL = "https://shop.example/transfers"
NOTIFY_SECRET = "the-notify-secret-of-a-test"  # noqa: S105 - no secret of anything


def fake_web(
    transfers: FakeTransfers,
    *,
    base_url: str = BASE_URL,
    notify_secret: str = NOTIFY_SECRET,
    acs_hosts: Collection[str] = (),
    home: str = "/",
) -> Web:
    """A web tier to mount in a test, in place of the one from `Web.from_env`."""
    return Web(transfers, Places(base_url, Secret(notify_secret)), acs_hosts=acs_hosts, home=home)


@contextmanager
def on_fake(
    web: Web,
    transfers: FakeTransfers | None = None,
    *,
    base_url: str = BASE_URL,
    notify_secret: str = NOTIFY_SECRET,
) -> Iterator[FakeTransfers]:
    """A web tier that an application has mounted already works on a fake as long as this lasts.

    Its `Transfers` does so, too, by whatever name a module of the application keeps it, as `FakeTransfers.in_place_of`
    says. For an application that makes its web tier as it is imported, by `Web.from_env(ProducerAndWebSettings.load)`.
    """
    if not isinstance(web, Web):
        raise WrongCall("give the web tier; in place of a Transfers alone: with FakeTransfers().in_place_of(transfers)")
    fake = FakeTransfers() if transfers is None else transfers
    kept = web.transfers, web._say_places  # noqa: SLF001 - the two that lead to servers and settings
    places = Places(base_url, Secret(notify_secret))
    with fake.in_place_of(web.transfers):
        web.transfers, web._say_places = fake, lambda: places  # noqa: SLF001 - as above
        try:
            yield fake
        finally:
            web.transfers, web._say_places = kept  # noqa: SLF001 - as above
