"""`make model`: explore all that must hold, show what is left open, and switch each rule off.

With words: only cases whose name has one of them, and their traces.
"""

import sys

from tests.model.cases import ABLATIONS, BREAKS, HOLDS, MUST_HOLD, NOT_FOUND, WINDOWS, Case
from tests.model.explore import Found


def outcome_of(found: Found[object]) -> str:
    if found.broken:
        return BREAKS
    return HOLDS if found.is_complete else NOT_FOUND


def is_as_expected(case: Case, outcome: str) -> bool:
    return outcome == case.expects or (case.expects == NOT_FOUND and outcome == HOLDS)


def main(words: list[str]) -> int:
    unexpected = 0
    for title, cases in (("Must hold", MUST_HOLD), ("Left open", WINDOWS), ("One rule off", ABLATIONS)):
        print(f"\n{title}\n{'states':>10} {'seconds':>8}  case", flush=True)
        for case in cases:
            if words and not any(word in case.name for word in words):
                continue
            found = case.explore(case.limit)
            outcome = outcome_of(found)
            said = f"{found.broken} ({len(found.trace)} steps)" if found.broken else outcome
            if outcome == HOLDS and case.expects == NOT_FOUND:
                said = f"{NOT_FOUND}: the whole space"
            if not is_as_expected(case, outcome):
                unexpected += 1
                said = f"NOT AS EXPECTED ({case.expects}): {said}"
            print(f"{found.states:>10,} {found.seconds:>8.1f}  {case.name}: {said}", flush=True)
            if words or not is_as_expected(case, outcome):
                for label, world in found.trace:
                    print(f"{'':>20}  {label:<62} {case.describe(world)}")
    print(f"\n{unexpected} not as expected")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
