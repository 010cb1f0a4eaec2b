"""`make sbom`: a bill of materials of a production install, from the lock alone, that is what it says that it is."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion

from tests.packaging.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Made by the target's own command in a copy, with a network that is none. What it runs in is not made anew."""
    folder = tmp_path_factory.mktemp("sbom")
    for path in (ROOT / "Makefile", ROOT / "pyproject.toml", *ROOT.glob("requirements*.txt")):
        shutil.copy(path, folder)
    (folder / ".venv").symlink_to(sys.prefix)
    closed = {f"{each}_proxy": "http://127.0.0.1:1" for each in ("http", "https", "all")}
    done = subprocess.run(
        ["make", "sbom", "--assume-old=setup", "--silent"],  # noqa: S607 - the developer's own
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"} | closed,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return (folder / "sbom.json").read_text()


@pytest.fixture(scope="module")
def bill(text: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(text)
    return made


def locked() -> dict[tuple[str, str], set[str]]:
    """Name and version of each requirement that is locked for production, and its hashes."""
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
    pins = [(re.match(r"([\w.-]+)==([\w.]+)", entry), entry) for entry in entries if entry]
    return {(pin[1], pin[2]): set(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)) for pin, entry in pins if pin}


def test_it_is_valid_against_the_schema(text: str) -> None:
    """CycloneDX 1.6, strictly: no property that the schema does not know."""
    # Its grammars take seconds to build, and each process of `make test` imports this module to collect it.
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('"library"', '"bookshelf"')) is not None


def test_it_names_every_locked_requirement_with_version_and_hashes(bill: dict[str, Any]) -> None:
    """And nothing else: what a production install holds is what the lock holds."""
    named = {
        (each["name"], each["version"]): {
            hash_["content"] for reference in each["externalReferences"] for hash_ in reference.get("hashes", [])
        }
        for each in bill["components"]
    }

    assert named == locked()
    assert all(named.values())
    assert len(named) > 20


def test_it_is_of_our_own_package_with_version_and_licence(bill: dict[str, Any]) -> None:
    own = bill["metadata"]["component"]

    assert (own["name"], own["version"], own["type"]) == (PROJECT["name"], PROJECT["version"], "application")
    assert [each["license"]["name"] for each in own["licenses"]] == [PROJECT["license"]]


def test_the_same_lock_makes_the_same_bill(bill: dict[str, Any]) -> None:
    """Two bills of one release can be compared: neither a time nor a random number stands in it."""
    assert "serialNumber" not in bill
    assert "timestamp" not in bill["metadata"]


def test_the_bill_is_no_part_of_the_repository() -> None:
    assert "sbom.json" in (ROOT / ".gitignore").read_text().splitlines()
