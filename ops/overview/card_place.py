"""What lies in the place of a transfer's card in the vault: a look that opens nothing, for what waits to be sent."""

from contextlib import closing

from epay_transfers.ledger.errors import VaultUnavailable
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.vault.vault import Content, Vault
from epay_transfers.ops.context import Context
from epay_transfers.ops.overview.facts import TIMEOUT_S


def card_of(context: Context, record: Record) -> Content | None:
    """None where that is not known, and where it does not matter."""
    url = context.settings.vault_url
    if record.state is not State.QUEUED or url is None:
        return None
    with closing(connect(url.reveal(), context.settings.name_of("VAULT_URL"), timeout_s=TIMEOUT_S)) as client:
        try:
            return Vault(client).glance(record.key)
        except VaultUnavailable:
            return None
