"""The deadline: until when an intent may wait to be sent. The sealed cards live exactly as long.

With a CVC at most `CARD_TTL`, since a CVC may not be kept. With a saved card and no CVC a day, or up to thirty.
"""

from epay_transfers.producers.errors import IntentRejected
from epay_transfers.producers.intent import TransferIntent

_DAY_MS = 86_400_000
_LONGEST_DAYS = 30


def lasts_ms(intent: TransferIntent, now_ms: int, card_ttl_s: int) -> int:
    """For how long from now, in ms. Raises `IntentRejected` for a deadline that is past or too far away."""
    card_ttl_ms = card_ttl_s * 1000
    if intent.deadline is None:
        return card_ttl_ms if intent.holds_cvc else _DAY_MS
    given_ms = int(intent.deadline.timestamp() * 1000)
    if given_ms <= now_ms:
        raise IntentRejected("deadline", "has passed already; nothing was stored")
    if intent.holds_cvc and given_ms > now_ms + card_ttl_ms:
        raise IntentRejected("deadline", f"may be at most {card_ttl_s} s away (CARD_TTL) where there is a CVC")
    if given_ms > now_ms + _LONGEST_DAYS * _DAY_MS:
        raise IntentRejected("deadline", f"may be at most {_LONGEST_DAYS} days away")
    return given_ms - now_ms
