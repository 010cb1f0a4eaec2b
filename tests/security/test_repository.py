"""The repository holds no secret and no card, the lock is whole, and the security linter's exceptions have reasons."""

import math
import re
import shutil
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from epay_transfers.ledger.card_numbers import holds_card_number
from epay_transfers.ledger.vault.sealing import Sealer
from epay_transfers.sandbox import PUBLIC_TEST
from epay_transfers.sandbox.cards import SAVED, TEST_CARDS
from tests.corpus import sealing_key

ROOT = Path(__file__).parents[2]

#: What the bank prints on its own page for everybody, and what says only what a test is about.
PUBLIC = {PUBLIC_TEST.client_secret, *PUBLIC_TEST.terminals, *SAVED}
PUBLIC.add("BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYn")  # a PaRes of `tests/support/samples`: the bytes 7, 8, 9, ...

#: Card numbers that may stand here: the bank's public test cards, and everybody's example.
PUBLIC_CARDS = {*TEST_CARDS, "4111111111111111"}

#: An address ends so whose password is an example's, and nobody's.
EXAMPLES = (":hunter22@", ":PASSWORD@")

KNOWN = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]"),
    "a cloud's key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a forge's token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20})\b"),
    "a chat's token": re.compile(r"\bxox[abpr]-[A-Za-z0-9-]{10,}"),
    "a JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."),
    "a key of ours": re.compile(r"\b(?:vault-private|vault-public|fingerprint)\.[A-Za-z0-9_-]{40}"),
    "an address with a password": re.compile(r"\brediss?://[^\s:/@{}]*:[^\s:/@{}$]{8,}@"),
    "a report's address": re.compile(r"https://[0-9a-f]{32}@"),
}

_WORD = re.compile(r"[A-Za-z0-9_]{28,}")
_DIGITS = re.compile(r"(?<![0-9A-Fa-f.])[0-9]{15,19}(?![0-9A-Fa-f])")


def texts() -> Iterator[tuple[str, str]]:
    """Every file that is, or is about to be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - the developer's own
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file():
            yield name, path.read_text(errors="replace")


def looks_random(word: str) -> bool:
    """Letters of both cases and digits, spread as chance spreads them: no name is so."""
    kinds = (any(map(str.islower, word)), any(map(str.isupper, word)), any(map(str.isdigit, word)))
    share = Counter(word)
    entropy = -sum(count / len(word) * math.log2(count / len(word)) for count in share.values())
    return all(kinds) and entropy > 4.0


@pytest.fixture(scope="module")
def repository() -> dict[str, str]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no repository: there is nothing that would be published from here")
    return dict(texts())


def test_no_secret_of_a_known_kind_is_in_a_file(repository: dict[str, str]) -> None:
    found = [
        (name, kind)
        for name, text in repository.items()
        for kind, pattern in KNOWN.items()
        for words in pattern.finditer(text)
        if not words[0].endswith(EXAMPLES)
    ]

    assert found == []


def sealed_for_tests() -> re.Pattern[str]:
    """What the corpus holds of sealed test cards, whose key is in this repository, and the sandbox bank's PaReqs."""
    return re.compile(rf"\b1\.{Sealer(sealing_key.keys().public).key_id}\.[A-Za-z0-9_-]+|\beyJtZCI6[A-Za-z0-9+/]+")


def test_no_word_looks_like_a_secret_but_the_banks_public_one(repository: dict[str, str]) -> None:
    texts = {name: sealed_for_tests().sub("", text) for name, text in repository.items()}
    found = {(name, word) for name, text in texts.items() for word in _WORD.findall(text) if looks_random(word)}

    assert {(name, word) for name, word in found if word not in PUBLIC} == set()
    assert found != set(), "the bank's public secret stands somewhere: so the search has eyes"


def test_no_card_number_is_in_a_file_but_the_banks_public_ones(repository: dict[str, str]) -> None:
    found = {
        (name, digits)
        for name, text in repository.items()
        if not name.startswith("requirements")
        for digits in _DIGITS.findall(text)
        if holds_card_number(digits)
    }

    assert {(name, digits) for name, digits in found if digits not in PUBLIC_CARDS} == set()
    assert found != set()


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("requirements*.txt")))
def test_every_requirement_is_pinned_with_its_hashes(name: str) -> None:
    """A package that was exchanged on its way here is not installed."""
    wanted = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text(), flags=re.IGNORECASE)

    assert len(wanted) >= (1 if name == "requirements-build.txt" else 20)
    assert [
        line for line in wanted if not re.match(r"[\w.\[\]-]+==[^ ]+ .*--hash=sha256:", line.replace("\n", " "))
    ] == []


def test_the_lock_has_no_known_holes() -> None:
    """Where the tool is: it asks for the advisories, which needs the network. `docs/security.md` says when."""
    tool = shutil.which("pip-audit")
    if tool is None:
        pytest.skip("pip-audit is not here, and no list of known holes can be read offline")
    done = subprocess.run(  # noqa: S603 - the tool of that name
        [tool, "--require-hashes", "--disable-pip", "-r", str(ROOT / "requirements.txt")],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_the_security_linters_rules_are_on_and_each_exception_has_a_reason(repository: dict[str, str]) -> None:
    """Nothing of S is switched off for all; where a line is an exception, it says why."""
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    marked = re.compile(r"# noqa: ((?:[A-Z]+[0-9]+, )*S[0-9]+(?:, [A-Z]+[0-9]+)*)(.*)")
    bare = [
        (name, found[0])
        for name, text in repository.items()
        if name.endswith(".py")
        for found in marked.finditer(text)
        if not re.match(r"\s+- \w", found[2])
    ]

    assert lint["select"] == ["ALL"]
    assert [rule for rule in lint["ignore"] if re.fullmatch(r"S[0-9]*", rule)] == []
    assert bare == []
