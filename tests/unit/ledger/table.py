"""The table of states, written down a second time from the design. It knows nothing of `ledger.states`."""

UNFINISHED_NAMES = ["queued", "sending", "parked", "resumed", "confirming", "in_doubt", "held", "dead"]
FINAL_NAMES = ["paid", "reversed", "declined", "expired", "cancelled"]
EVERYWHERE = " ".join(UNFINISHED_NAMES)

#: Verb → where it may start and where it leads: `a b > c`, or `= a b` where it stays.
TABLE: dict[str, list[str]] = {
    "create": [],
    "recard": ["= queued"],
    "defer": ["= queued resumed"],
    "claim": ["queued > sending", "resumed > confirming"],
    "pay": [f"{EVERYWHERE} > paid"],
    "decline": [f"{EVERYWHERE} > declined"],
    "park": ["sending in_doubt > parked"],
    "doubt": ["sending confirming resumed > in_doubt"],
    "requeue": ["sending in_doubt > queued"],
    "requeue_confirm": ["confirming in_doubt > resumed"],
    "give_up": ["queued > dead"],
    "die": ["sending in_doubt > dead"],
    "lose_card": ["in_doubt > dead"],
    "add_evidence": ["= in_doubt held"],
    "resume": ["parked > resumed"],
    "remember": ["queued dead > in_doubt"],
    "remember_confirm": ["parked > in_doubt"],
    "learn_paid": ["parked in_doubt held dead > paid"],
    "learn_declined": ["parked in_doubt held dead > declined"],
    "learn_reversed": ["parked in_doubt held dead > reversed"],
    "notified_paid": ["parked in_doubt held > paid"],
    "notified_declined": ["parked in_doubt held > declined"],
    "wonder": ["= parked in_doubt held"],
    "hold": ["in_doubt > held"],
    "expire": ["queued parked > expired"],
    "lapse": ["in_doubt > expired"],
    "cancel": ["queued parked dead > cancelled"],
    "revive": ["dead > queued"],
    "ask": ["= parked in_doubt held dead"],
    "drop": ["= parked in_doubt held dead"],
    "ring": [f"= {EVERYWHERE}"],
    "note_notification": [f"= {EVERYWHERE}"],
    "settle_paid": ["held > paid"],
    "settle_not_paid": ["held > declined"],
    "settle_reversed": ["held paid > reversed"],
}

#: What else must hold, and what else changes. What is not named keeps the epoch, and asks for the very same one.
LATE = {"pay", "decline"}
#: Nothing happened since it was read.
AS_SEEN = {
    "wonder", "hold", "expire", "cancel", "revive", "ask", "drop", "ring", "lose_card", "add_evidence",
    "note_notification",
}  # fmt: skip

#: Not while the bank's proved notification that it paid is kept: what sends it, and what says that no money moved.
UNLESS_PAID = {
    "claim", "decline", "give_up", "die", "lose_card", "learn_declined", "expire", "lapse", "cancel", "revive",
}  # fmt: skip
KEEPS_DUE = {"note_notification"}  #: when to look again stays as it is
#: Verb → by from-state, which of the record's times must have come by the ledger's own clock; and which must not.
AFTER = {"expire": {"queued": "expires", "parked": "parked_until"}}
BEFORE = {"claim": {"queued": "expires"}}
PHASE = {"park": "send", "requeue": "send", "die": "send", "lose_card": "send", "requeue_confirm": "confirm"}
ENTERS = {"resume": "confirm", "remember_confirm": "confirm"}
ADVANCE = {
    "recard": "generation",
    "pay": "given",
    "decline": "given",
    "requeue": "try",
    "requeue_confirm": "try",
    "resume": "try",
    "revive": "try",
}


def cells(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        starts, _, end = line.partition(">")
        found |= {start: end.strip() or start for start in starts.replace("=", "").split()}
    return found
