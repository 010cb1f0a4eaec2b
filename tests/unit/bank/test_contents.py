"""The room's table of contents."""

import epay_transfers.worker.bank
from epay_transfers.worker.bank import outcome


def test_the_table_of_contents_is_sorted_and_true() -> None:
    names = epay_transfers.worker.bank.__all__

    assert names == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert all(hasattr(epay_transfers.worker.bank, name) for name in names)


def test_every_outcome_can_be_had_from_the_room() -> None:
    defined = {name for name, found in vars(outcome).items() if getattr(found, "__module__", "") == outcome.__name__}

    assert defined <= set(epay_transfers.worker.bank.__all__)
