"""Alarms: the events that are no move of a transfer, and that an operator must see. One entry says all of one."""

from epay_transfers.ledger.sentences import WordWithSentence


class Alarm(WordWithSentence):
    """The word is the verb of the event; in the sentence, `{name}` is a field of the event."""

    LANE_PAUSED = "pause", "the lane {lane} was paused for {terminal}: pause {pause}, {cause}"
    LANE_RESUMED = "unpause", "the pause {pause} of the lane {lane} was ended, for {terminal}"
    LANE_TRIED = "unpause_tried", "the pause {pause} of the lane {lane} lets some transfers of {terminal} through"
    REQUEST_REFUSED = "request_refused", "an operator's request was refused"
    BREAKER_OPENED = "breaker_opened", "calls to {host} fail: no worker calls it, and one asks it now and then"
    BREAKER_STAYS = (
        "breaker_stays_open",
        "{host} did not serve {trial}, which was let through: no worker calls it for {in_s} s",
    )
    BREAKER_CLOSED = "breaker_closed", "{host} answers again, and workers call it"
    SERVERS_UNFIT = (
        "servers_unfit",
        "a worker stands still: the servers are not as they must be; run `transfers doctor`",
    )
    SERVERS_FIT = "servers_fit", "the servers are as they must be again, and the worker goes on"
    REPLICAS_LACKING = (
        "replicas_lacking",
        "a worker stands still: too few replicas of the ledger follow it; see the runbook, 'A replica is missing'",
    )
    REPLICAS_BACK = "replicas_back", "enough replicas of the ledger follow it again, and the worker goes on"
    QUEUE_REBUILT = "queue_rebuilt", "an operator sent {sent} wake-ups for the unfinished transfers"
    VAULT_FORGOT = (
        "vault_forgot",
        "the vault was restarted, and the cards in it are gone: see the runbook, 'The vault was lost'",
    )
    VAULT_WENT_BACK = (
        "vault_went_back",
        "the vault is an older copy of itself, and workers stand still: see the runbook, 'The vault went back'",
    )
    LEDGER_WENT_BACK = (
        "ledger_went_back",
        "the ledger has forgotten what it confirmed: see the runbook, 'The ledger went back'",
    )
    LEDGER_SERVER = (
        "ledger_server",
        "another server is the ledger's, or it was started again, and a worker compared it with the vault: {found}",
    )
    FOREIGN_BANK_ID = (
        "foreign_bank_id",
        "the bank said {bank_said} with the id of {other}, another transfer: look at both now",
    )
    ORDER_CHANGED = (
        "order_changed",
        "its record is not what was ordered ({fields}), and nothing was sent: see the runbook, 'An order was changed'",
    )
    LIMIT_REACHED = (
        "limit_reached",
        "the limit {limit} of {terminal} in {currency} is reached: see the runbook, 'A limit is reached'",
    )
    RECORD_UNREADABLE = "record_unreadable", "its record can't be read: run the version that wrote it"
    CONTRADICTION = "contradiction", "the bank said {bank_said}, and the ledger says {ledger}: look at it now"
    CLOCK_WRONG = (
        "clock_wrong",
        "a worker stands still: its clock and the ledger's disagree; see the runbook, 'A clock is wrong'",
    )
    TRIMMED = "trimmed", "the events up to number {up_to} were removed: older than EVENTS_KEEP, or exported to a file"
    ARCHIVED = "archived", "its details were exported to {file}, and the ledger keeps its end alone"
    OUTCOMES_FORGOTTEN = (
        "outcomes_forgotten",
        "an operator had the group {group} forgotten: {owed} outcomes were handed out and not done, {aside} set aside",
    )
    CLOCK_RIGHT = "clock_right", "a worker's clock and the ledger's agree again, and it goes on"
