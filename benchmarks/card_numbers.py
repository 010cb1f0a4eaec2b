"""How often the search for card numbers errs, and what it costs: over a million texts that a seed makes, kind by kind.

`make detector` prints a table: of what is kept (a reference, a reason) and of what leaves (a log), the share of texts
that are judged wrongly, now and by the detector of before. Then the time for a text as long as a line of a log, and for
hostile texts of two sizes: four times the text takes about four times as long. TEXTS=n: so many; SEED=n: others.
"""

import itertools
import os
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable

from epay_transfers.ledger.card_numbers import holds_card_number, passes_luhn, star_card_numbers
from tests.support.card_texts import ALIKE, DRESSES, HONEST, MOMENT, cases
from tests.support.hostile_texts import HOSTILE

TEXTS = int(os.environ.get("TEXTS", "1000000"))
SEED = int(os.environ.get("SEED", "1"))
ROUNDS = 7
KILOBYTES = (256, 1024)

#: The detector of before, to compare with.
_KEPT_BEFORE = re.compile(
    r"""(?<![0-9A-Fa-f])
    (?=(?P<digits>
        [0-9]{13,19}
      | [0-9]{4} (?P<four> [\s._:\u2010-\u2015-]) [0-9]{4} (?P=four) [0-9]{4} (?P=four) [0-9]{1,7}
      | [0-9]{4} (?P<six> [\s._:\u2010-\u2015-]) [0-9]{6} (?P=six) [0-9]{4,5}
    ) (?![0-9A-Fa-f]))""",
    re.VERBOSE,
)
_LEAVING_BEFORE = re.compile(r"\d(?:[ .-]{0,3}\d){12,}")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_PREFIX_BEFORE = re.compile(r"[345689]|2[2-7]")

#: Lines of a log, and a trace.
LINES = {
    "a line without a long number": "claim.refused key=251124000001 state=queued actor=execute attempt=1 terminal=main",
    "a line with a moment": "claimed key=251124000001 lease_until=1795500000007 next_attempt_at=1795500060007",
    "a line in Russian": "\u043f\u0435\u0440\u0435\u0432\u043e\u0434 251124000001: \u043e\u0442\u043a\u0430\u0437",
    "a line with a UUID": "message b0f9a1f4-5d6c-4c56-9d60-9c3f8a3d4d0e of transfers was skipped",
    "a line with a card": "the bank says: card 4405 6397 0401 5096 refused",
    "a trace of 25 frames": "\n".join(f'  File "worker/journey.py", line {at * 37}, in step_{at}' for at in range(25)),
}


def held_before(text: str) -> bool:
    return any(_is_card_before(re.sub("[^0-9]", "", found["digits"])) for found in _KEPT_BEFORE.finditer(text))


def starred_before(text: str) -> str:
    parts, at = [], 0
    for found in _UUID.finditer(text):
        parts += [_LEAVING_BEFORE.sub(_stars_before, text[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*parts, _LEAVING_BEFORE.sub(_stars_before, text[at:])])


def _stars_before(found: re.Match[str]) -> str:
    digits = "".join(str(int(char)) for char in found[0] if char.isdecimal())
    pieces = (digits[start : start + size] for size in range(13, 20) for start in range(len(digits) - size + 1))
    return re.sub(r"\d", "*", found[0]) if len(digits) > 100 or any(map(_is_card_before, pieces)) else found[0]


def _is_card_before(digits: str) -> bool:
    return _PREFIX_BEFORE.match(digits) is not None and passes_luhn(digits)


#: Each says whether it sees a card number.
DETECTORS: tuple[Callable[[str], bool], ...] = (
    holds_card_number,
    held_before,
    lambda text: star_card_numbers(text) != text,
    lambda text: starred_before(text) != text,
)


def count_errors() -> None:
    seen: Counter[str] = Counter()
    wrong: tuple[Counter[str], ...] = tuple(Counter() for _ in DETECTORS)
    for case in itertools.islice(cases(SEED), TEXTS):
        seen[case.kind] += 1
        for errors, detector in zip(wrong, DETECTORS, strict=True):
            errors[case.kind] += detector(case.text) != case.holds
    print(f"{TEXTS} texts of seed {SEED}; wrongly judged, in percent: a text to keep, now and before; one that leaves")
    tables = (
        ("missed: card numbers in every dress", DRESSES),
        ("missed: the price of references that are moments", (MOMENT,)),
        ("falsely found: honest texts", HONEST),
        ("falsely found: what no rule tells from a card number", ALIKE),
    )
    for title, kinds in tables:
        print(f"\n{title:<52}{'texts':>8}{'keep':>9}{'before':>9}{'leave':>9}{'before':>9}")
        for kind in kinds:
            print(
                f"  {kind:<50}{seen[kind]:>8}" + "".join(f"{_percent(errors[kind], seen[kind]):>9}" for errors in wrong)
            )
        total = sum(seen[kind] for kind in kinds)
        shares = (_percent(sum(errors[kind] for kind in kinds), total) for errors in wrong)
        print(f"  {'all of these':<50}{total:>8}" + "".join(f"{share:>9}" for share in shares))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3f}" if part else "0"


def count_time() -> None:
    print(f"\n{'microseconds a text, the median of rounds':<45}{'keep':>9}{'ratio':>9}{'leave':>9}{'ratio':>9}")
    for name, text in LINES.items():
        kept, kept_before, leaving, leaving_before = (_microseconds(detector, text, 1000) for detector in DETECTORS)
        ratios = (f"{kept / kept_before:.2f}", f"{leaving / leaving_before:.2f}")
        print(f"  {name:<43}{kept:>9.1f}{ratios[0]:>9}{leaving:>9.1f}{ratios[1]:>9}")
    small, large = KILOBYTES
    title = f"hostile: milliseconds for {large} KB, and for {small} KB"
    print(f"\n{title:<45}{'keep':>9}{'ratio':>9}{'leave':>9}{'ratio':>9}")
    for name, make in HOSTILE.items():
        row = ""
        for detector in (DETECTORS[0], DETECTORS[2]):
            times = [_microseconds(detector, make(size * 1024), 1, rounds=1) / 1000 for size in KILOBYTES]
            row += f"{times[1]:>9.0f}{times[1] / times[0]:>9.2f}"
        print(f"  {name:<43}{row}")


def _microseconds(detector: Callable[[str], bool], text: str, times: int, *, rounds: int = ROUNDS) -> float:
    measured = []
    for _ in range(rounds):
        begin = time.process_time()
        for _ in range(times):
            detector(text)
        measured.append((time.process_time() - begin) / times * 1e6)
    return statistics.median(measured)


def main() -> None:
    print(f"Python {sys.version.split()[0]}, {sys.platform}")
    count_errors()
    count_time()


if __name__ == "__main__":
    main()
