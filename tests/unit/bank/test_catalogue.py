"""The contract's section 7, written down a second time, code by code."""

import pytest

from epay_transfers.worker.bank.codes import CATALOGUE, look_up
from epay_transfers.worker.bank.outcome import CodeClass, Consequence

QUESTIONS = """100 293 -31 690 1266 1267 1268 1269 1563 1564 1565 1568 1569 1570 2032 2249 2326 2358 2656 2660 3013 3014
3225 3240 703 1612 1636 1654 1759 2092 2357 3141 454 456 458 459 460 461 496 497 500 501 502 504 526"""
DECLINES = """455 457 478 485 462 463 480 465 466 467 479 488 489 490 491 492 495 498 521 523 524 525 527 468 473 499
877 469 470 477 3298 471 472 481 482 483 522 475 484 486 493 494 503 505"""
CONSEQUENCES = {
    "476": Consequence.WAIT_30_MIN,
    "528": Consequence.RECEIVER_LIMIT,
    "529": Consequence.PAUSE_TERMINAL,
    "2678": Consequence.PAUSE_TERMINAL,
    "2740": Consequence.LEAVE_CARD,
    "2872": Consequence.LEAVE_CARD,
}


def test_every_code_of_the_contract_is_there_and_no_other() -> None:
    assert sorted(CATALOGUE) == sorted(["0", "464", "487", *QUESTIONS.split(), *DECLINES.split(), *CONSEQUENCES])


@pytest.mark.parametrize(
    ("codes", "code_class"),
    [
        (["0"], CodeClass.PAID),
        (["464", "487"], CodeClass.SETUP),
        (QUESTIONS.split(), CodeClass.QUESTION),
        (DECLINES.split(), CodeClass.DECLINED),
        (list(CONSEQUENCES), CodeClass.DECLINED_CONSEQUENCE),
    ],
)
def test_each_code_has_the_class_that_the_contract_gives(codes: list[str], code_class: CodeClass) -> None:
    assert {code: look_up(code).code_class for code in codes} == dict.fromkeys(codes, code_class)


def test_consequences_stand_with_their_codes_and_nowhere_else() -> None:
    assert {code: entry.consequence for code, entry in CATALOGUE.items() if entry.consequence} == CONSEQUENCES


@pytest.mark.parametrize("code", ["", "1", "-32", "484 ", "0484", "99999", "ok", "NaN"])
def test_a_stranger_is_a_question(code: str) -> None:
    assert look_up(code).code_class is CodeClass.QUESTION
    assert not look_up(code).is_decline


def test_only_the_final_noes_are_declines() -> None:
    declines = [code for code, entry in CATALOGUE.items() if entry.is_decline]

    assert sorted(declines) == sorted(["464", "487", *DECLINES.split(), *CONSEQUENCES])


def test_every_entry_says_what_it_means() -> None:
    assert all(entry.meaning for entry in CATALOGUE.values())
