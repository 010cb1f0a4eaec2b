"""The vault's keys: their ages, who seals and who opens, what became of a destroyed one, where they may come from."""

import base64
import errno
import os
import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.ledger import fingerprint_keys, key_text
from epay_transfers.ledger.fingerprint_keys import FingerprintKeys
from epay_transfers.ledger.key_text import Kind
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.keyring import KeyRing, read_public
from epay_transfers.ledger.vault.sealing import Opener, Purpose, Sealer, SealKeyDestroyed, generate
from epay_transfers.runtime.key_source import KeySource
from epay_transfers.runtime.settings import SettingsWrong
from tests.support.command_line import Cli, environment, transfers

__all__ = ["environment", "transfers"]  # the command as a person types it

KEY = "251124000001"
OLD, NEW = generate(date(2026, 1, 5)), generate(date(2026, 11, 24))
PRINTS = [fingerprint_keys.generate(date(2026, 11, 24)).reveal(), fingerprint_keys.generate().reveal()]
OLD_ID, NEW_ID = read_public(OLD.public).key_id, read_public(NEW.public).key_id


def test_a_keys_text_says_when_it_was_made_and_its_id_does_not_depend_on_that() -> None:
    bare = generate()
    dated = f"{bare.public}.20261124"

    assert read_public(bare.public).made is None
    assert read_public(dated).made == date(2026, 11, 24)
    assert read_public(dated).key_id == read_public(bare.public).key_id
    assert NEW.public.endswith(".20261124")
    assert NEW.private.reveal().endswith(".20261124")


@pytest.mark.parametrize("end", [".2026", ".20261341", ".2026112", ".20261124.1", ".", "..20261124", ".20261124 "])
def test_what_is_no_day_is_no_key(end: str) -> None:
    pair = generate()
    public, private = pair.public + end, pair.private.reveal() + end
    for text, read in ((public, lambda: read_public(public)), (private, lambda: KeyRing([Secret(private)]))):
        with pytest.raises(ValueError, match="is not a key that `transfers keygen` printed") as caught:
            read()
        assert text not in str(caught.value)


def test_a_ring_is_newest_first_and_each_key_opens_its_own() -> None:
    opener = Opener([NEW.private, OLD.private])

    assert opener.key_ids == [NEW_ID, OLD_ID]
    for pair in (OLD, NEW):
        assert opener.open(Sealer(pair.public).seal(b"x", Purpose.CARD, KEY), Purpose.CARD, KEY) == b"x"


def test_nothing_that_holds_private_keys_can_seal() -> None:
    """Old keys open and never seal, for no private key does: sealing takes a public one."""
    assert [name for name in dir(Opener) if "seal" in name.lower()] == []
    assert [name for name in dir(KeyRing) if "seal" in name.lower()] == []


def test_what_a_destroyed_key_sealed_is_called_that() -> None:
    ring = [NEW.private, Secret(f"destroyed.{OLD_ID}.20260105")]
    sealed = Sealer(OLD.public).seal(b"x", Purpose.CARD, KEY)

    with pytest.raises(SealKeyDestroyed, match=f"the key {OLD_ID} was destroyed") as caught:
        Opener(ring).open(sealed, Purpose.CARD, KEY)
    assert caught.value.key_id == OLD_ID
    assert [key.made for key in KeyRing(ring)] == [date(2026, 11, 24), date(2026, 1, 5)]


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ([], "no key that opens anything"),
        ([f"destroyed.{OLD_ID}"], "no key that opens anything"),
        ([NEW.private.reveal(), NEW.private.reveal()], "has the key .{8} twice"),
        ([OLD.private.reveal(), f"destroyed.{OLD_ID}"], "has the key .{8} twice"),
        (["destroyed.XYZ"], "is not a key"),
    ],
)
def test_what_is_no_ring_is_refused(texts: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        KeyRing([Secret(text) for text in texts])


def test_a_ring_is_written_with_commas_lines_and_remarks() -> None:
    text = f"# the newest first\n{NEW.private.reveal()}  # the newest\n\n{OLD.private.reveal()},destroyed.00000000\n"

    assert [secret.reveal() for secret in key_text.split(text)] == [
        NEW.private.reveal(), OLD.private.reveal(), "destroyed.00000000",
    ]  # fmt: skip


# The text says what a key is, and checks itself.


@pytest.mark.parametrize("given", Kind)
@pytest.mark.parametrize("wanted", Kind)
def test_a_key_in_another_keys_place_is_refused_and_called_what_it_is(given: Kind, wanted: Kind) -> None:
    raw = bytes(range(32))
    text = key_text.write(given, raw)
    if given is wanted:
        assert key_text.read(text, wanted) == (raw, None)
        return
    with pytest.raises(ValueError, match=r"^is a (private|public|fingerprint) key") as caught:
        key_text.read(text, wanted)
    assert text not in str(caught.value)


@pytest.mark.parametrize("kind", Kind)
def test_another_prefix_makes_no_other_key_of_it(kind: Kind) -> None:
    """The check covers the prefix: a private key that is renamed to a public one is none."""
    body = key_text.write(Kind.VAULT_PRIVATE, bytes(range(32))).partition(".")[2]
    if kind is not Kind.VAULT_PRIVATE:
        with pytest.raises(ValueError, match="a letter of it is wrong, or it was made up"):
            key_text.read(f"{kind}.{body}", kind)


@pytest.mark.parametrize("at", range(48))
def test_a_wrong_letter_is_found(at: int) -> None:
    """A public key with one would seal for a key that no worker has, and every transfer would die."""
    kind, _, body = generate().public.partition(".")
    wrong = body[:at] + ("A" if body[at] != "A" else "B") + body[at + 1 :]

    with pytest.raises(ValueError, match="is not a key that `transfers keygen` printed"):
        read_public(f"{kind}.{wrong}")


@pytest.mark.parametrize("raw", [bytes(32), b"changeme" * 4, b"\xff" * 32, bytes(range(15)) + b"\0" * 17])
def test_a_key_without_randomness_is_refused(raw: bytes) -> None:
    for kind in Kind:
        with pytest.raises(ValueError, match="is a key without randomness"):
            key_text.read(key_text.write(kind, raw), kind)


@pytest.mark.parametrize("end", ["", ".20260105"])
def test_a_key_of_before_the_prefixes_is_told_what_to_do(end: str) -> None:
    bare = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=") + end

    with pytest.raises(ValueError, match=r"has no prefix that says what it is, like `vault-private\.`") as caught:
        KeyRing([Secret(bare)])
    assert bare not in str(caught.value)
    assert "transfers keygen" in str(caught.value)


# Where they come from.


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment with nothing in it but the ledger's address; the folder that it is in."""
    for name in list(os.environ):
        if name.startswith(("VAULT_", "EPAY_", "ALLOW_")) or name in {"SECRETS_DIR", "CREDENTIALS_DIRECTORY"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def key_file(folder: Path, mode: int = 0o400) -> Path:
    file = folder / "keys"
    file.write_text(f"{NEW.private.reveal()}\n{OLD.private.reveal()}\n")
    file.chmod(mode)
    return file


def lines(**overrides: Any) -> list[str]:
    with pytest.raises(SettingsWrong) as caught:
        KeySource.load(**overrides)
    assert NEW.private.reveal() not in str(caught.value)
    return caught.value.lines


@pytest.mark.parametrize("production", [False, True])
def test_a_file_gives_the_ring(bare: Path, monkeypatch: pytest.MonkeyPatch, production: bool) -> None:  # noqa: FBT001 - the case
    monkeypatch.setenv("EPAY_ENVIRONMENT", "production" if production else "test")
    monkeypatch.setenv("VAULT_PRIVATE_KEYS_FILE", str(key_file(bare, 0o440)))

    assert Opener(KeySource.load().vault_private_keys).key_ids == [NEW_ID, OLD_ID]


@pytest.mark.parametrize("name", ["CREDENTIALS_DIRECTORY", "SECRETS_DIR"])
def test_systemds_credential_gives_the_ring_in_production(
    bare: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = bare / "credentials"
    folder.mkdir()
    (folder / "vault_private_keys").write_text(f"{NEW.private.reveal()}\n{OLD.private.reveal()}\n")
    (folder / "vault_private_keys").chmod(0o400)
    monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("EPAY_ENVIRONMENT", "production")

    assert Opener(KeySource.load().vault_private_keys).key_ids == [NEW_ID, OLD_ID]


@pytest.mark.parametrize("environment", ["production", ""])
def test_the_environment_is_refused_in_production_and_told_where_to_go(
    bare: Path, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setenv("VAULT_PRIVATE_KEYS", NEW.private.reveal())
    monkeypatch.setenv("EPAY_ENVIRONMENT", "test")
    assert KeySource.load().vault_private_keys

    monkeypatch.setenv("EPAY_ENVIRONMENT", environment)
    (line,) = lines()
    assert line.startswith("VAULT_PRIVATE_KEYS: is in the environment")
    assert "VAULT_PRIVATE_KEYS_FILE" in line

    monkeypatch.setenv("ALLOW_ENV_KEYS", "1")
    assert KeySource.load().vault_private_keys


def test_an_environment_that_is_neither_test_nor_production_is_treated_as_production(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPAY_ENVIRONMENT", "staging")
    monkeypatch.setenv("VAULT_PRIVATE_KEYS", NEW.private.reveal())

    assert [line.partition(":")[0] for line in lines()] == ["EPAY_ENVIRONMENT", "VAULT_PRIVATE_KEYS"]


def test_a_file_that_everybody_may_read_is_refused(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_PRIVATE_KEYS_FILE", str(key_file(bare, 0o444)))

    (line,) = lines()
    assert line.startswith("VAULT_PRIVATE_KEYS_FILE: can be read by every user")


def test_a_file_that_is_not_there_is_one_line(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_PRIVATE_KEYS_FILE", str(bare / "nowhere"))

    (line,) = lines()
    assert line.startswith("VAULT_PRIVATE_KEYS_FILE: can't be read")


def test_both_a_file_and_a_text_are_one_too_many(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_PRIVATE_KEYS_FILE", str(key_file(bare)))
    monkeypatch.setenv("VAULT_PRIVATE_KEYS", NEW.private.reveal())

    (line,) = lines()
    assert line.startswith("VAULT_PRIVATE_KEYS: is given twice")


def test_none_at_all_is_said(bare: Path) -> None:
    (line,) = lines()
    assert line.startswith("VAULT_PRIVATE_KEYS: is not set")


def test_a_file_with_a_broken_key_is_said_without_it(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = bare / "keys"
    file.write_text("not-a-key\n")
    file.chmod(0o400)
    monkeypatch.setenv("VAULT_PRIVATE_KEYS_FILE", str(file))

    (line,) = lines()
    assert line.startswith("VAULT_PRIVATE_KEYS: is not a key")
    assert "not-a-key" not in line


# `transfers keys`.


def test_the_command_shows_ids_ages_and_roles_and_no_key(transfers: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = generate()
    ring = f"{NEW.private.reveal()},{OLD.private.reveal()},{bare.private.reveal()},destroyed.0badcafe.20250101"
    monkeypatch.setenv("VAULT_PUBLIC_KEY", NEW.public)
    monkeypatch.setenv("VAULT_PRIVATE_KEYS", ring)
    monkeypatch.setenv("EPAY_ENVIRONMENT", "test")

    said, shown = transfers("keys", "--json"), transfers("keys")

    assert [(key["key_id"], key["made"], key["state"]) for key in said.json] == [
        (NEW_ID, "2026-11-24", "seals"),
        (OLD_ID, "2026-01-05", "opens"),
        (read_public(bare.public).key_id, None, "opens"),
        ("0badcafe", "2025-01-01", "destroyed"),
    ]
    assert said.json[1]["age_days"] - said.json[0]["age_days"] == 323
    assert (said.status, shown.status) == (0, 0)
    assert "destroyed" in shown.out
    for text in ring.split(","):
        assert text not in said.out + shown.out or text.startswith("destroyed")


def test_the_command_says_when_nobody_here_opens_what_producers_seal(
    transfers: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_PUBLIC_KEY", NEW.public)
    monkeypatch.setenv("VAULT_PRIVATE_KEYS", OLD.private.reveal())
    monkeypatch.setenv("EPAY_ENVIRONMENT", "test")

    said = transfers("keys")

    assert said.status == 78
    assert f"producers seal with {NEW_ID}, and no key here opens that" in said.err


# `transfers keys rotate`.


@pytest.fixture
def worker_environment(transfers: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Of a worker, but for its private keys; the folder that the command runs in."""
    monkeypatch.delenv("VAULT_PUBLIC_KEY")
    monkeypatch.delenv("FINGERPRINT_KEYS")
    return tmp_path


#: By what `--ring` takes: the setting, and a list of it.
RINGS = {
    "vault": ("VAULT_PRIVATE_KEYS", f"{NEW.private.reveal()}", f"{OLD.private.reveal()}"),
    "fingerprint": ("FINGERPRINT_KEYS", PRINTS[0], PRINTS[1]),
}


def ids_of(ring: str, texts: str) -> list[str]:
    if ring == "vault":
        return [key.key_id for key in KeyRing(key_text.split(texts))]
    return [key.key_id for key in FingerprintKeys(key_text.split(texts)).all()]


@pytest.mark.parametrize("ring", RINGS)
def test_rotate_puts_a_new_key_in_front_of_the_file(
    transfers: Cli, worker_environment: Path, monkeypatch: pytest.MonkeyPatch, ring: str
) -> None:
    name, newest, older = RINGS[ring]
    file = worker_environment / "keys"
    file.write_text(f"# newest first\n{newest},\n{older}  # the old one\n")
    file.chmod(0o440)
    monkeypatch.setenv(f"{name}_FILE", str(file))
    before = ids_of(ring, file.read_text())

    said = transfers("keys", "rotate", "--ring", ring)

    assert said.status == 0, said.err
    fresh, *others = ids_of(ring, file.read_text())
    assert others == before
    assert fresh not in before
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "# newest first" in file.read_text()
    assert [path.name for path in worker_environment.iterdir()] == ["keys"]
    for text in key_text.split(file.read_text()):
        assert text.reveal() not in said.out + said.err
    listed = transfers("keys", "--ring", ring, "--json").json
    assert [key["key_id"] for key in listed] == [fresh, *before]
    assert listed[0]["age_days"] == 0


def test_rotate_prints_the_public_key_that_is_given_to_producers_after_the_workers(
    transfers: Cli, worker_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = key_file(worker_environment, 0o600)
    monkeypatch.setenv("VAULT_PRIVATE_KEYS_FILE", str(file))

    said = transfers("keys", "rotate")

    (line,) = [line for line in said.out.splitlines() if line.startswith("VAULT_PUBLIC_KEY=")]
    public = line.removeprefix("VAULT_PUBLIC_KEY=")
    opener = Opener(key_text.split(file.read_text()))
    assert opener.open(Sealer(public).seal(b"x", Purpose.CARD, KEY), Purpose.CARD, KEY) == b"x"
    assert said.out.index("every worker, and restart") < said.out.index("Only then") < said.out.index(line)
    assert f"destroyed.{NEW_ID}" in said.out
    assert transfers("keys", "--json").json[0]["public"] == public


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize(
    "line", ["{name}={keys}", "export {name} = '{keys}'", '{lower}="{keys}"', "TRANSFERS_{name}={keys}"]
)
def test_rotate_puts_a_new_key_into_the_line_of_the_env_file(
    transfers: Cli, worker_environment: Path, ring: str, line: str
) -> None:
    name, newest, older = RINGS[ring]
    line = line.format(name=name, lower=name.lower(), keys=f"{newest},{older}")
    file = worker_environment / ".env"
    file.write_text(f"LOG_LEVEL=ERROR\n#{name}=\n{line}\nCARD_TTL=60\n")
    file.chmod(0o600)

    assert transfers("keys", "rotate", "--ring", ring).status == 0
    fresh, *before = [key["key_id"] for key in transfers("keys", "--ring", ring, "--json").json]

    assert before == ids_of(ring, f"{newest},{older}")
    assert fresh not in before
    text = file.read_text()
    assert text.startswith(f"LOG_LEVEL=ERROR\n#{name}=\n")
    assert text.endswith("\nCARD_TTL=60\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("ring", RINGS)
def test_rotate_writes_where_the_keys_really_are(
    transfers: Cli, worker_environment: Path, monkeypatch: pytest.MonkeyPatch, ring: str
) -> None:
    """The name with the prefix counts, wherever it is: here in the folder. What another program has is left alone."""
    name, newest, older = RINGS[ring]
    folder, file = worker_environment / "secrets", worker_environment / ".env"
    folder.mkdir()
    (folder / f"transfers_{name.lower()}").write_text(f"{newest}\n{older}\n")
    (folder / f"transfers_{name.lower()}").chmod(0o600)
    (folder / name).write_text("theirs")
    file.write_text(f"{name}=theirs\n")
    for path in (folder / name, file):
        path.chmod(0o600)
    monkeypatch.setenv("TRANSFERS_SECRETS_DIR", str(folder))

    assert transfers("keys", "rotate", "--ring", ring).status == 0

    fresh, *before = ids_of(ring, (folder / f"transfers_{name.lower()}").read_text())
    assert before == ids_of(ring, f"{newest},{older}")
    assert fresh not in before
    assert (file.read_text(), (folder / name).read_text()) == (f"{name}=theirs\n", "theirs")


@pytest.mark.parametrize("prefix", ["", "TRANSFERS_"])
@pytest.mark.parametrize("ring", RINGS)
def test_rotate_refuses_keys_in_the_environment(
    transfers: Cli, worker_environment: Path, monkeypatch: pytest.MonkeyPatch, ring: str, prefix: str
) -> None:
    name, newest, _ = RINGS[ring]
    monkeypatch.setenv(f"{prefix}{name}", newest)
    monkeypatch.setenv("EPAY_ENVIRONMENT", "test")
    (worker_environment / ".env").write_text(f"{name}={newest}\n")  # which the environment goes before

    said = transfers("keys", "rotate", "--ring", ring)

    assert said.status == 1
    assert f"{name} is in the environment, which no command can change" in said.err
    assert f"{name}_FILE" in said.err
    assert (worker_environment / ".env").read_text() == f"{name}={newest}\n"


def test_rotate_refuses_a_credential_of_systemd_which_is_a_copy(
    transfers: Cli, worker_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = worker_environment / "credentials"
    folder.mkdir()
    key_file(folder).rename(folder / "vault_private_keys")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))

    said = transfers("keys", "rotate")
    assert (said.status, "is a systemd credential, a copy" in said.err) == (1, True)
    monkeypatch.setenv("SECRETS_DIR", str(folder))  # a folder of your own
    assert transfers("keys", "rotate").status == 0
    assert len(key_text.split((folder / "vault_private_keys").read_text())) == 3


def test_a_second_rotation_at_once_is_refused_and_changes_nothing(
    transfers: Cli, worker_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would write over the first one's new key, for which producers may seal already."""
    file = key_file(worker_environment, 0o600)
    monkeypatch.setenv("VAULT_PRIVATE_KEYS_FILE", str(file))
    before = file.read_text()
    (worker_environment / "keys.rotating").touch()

    said = transfers("keys", "rotate")

    assert said.status == 1
    assert "another rotation is at work, or one died" in said.err
    assert file.read_text() == before


def test_a_rotation_that_can_not_be_written_leaves_the_old_file(
    transfers: Cli, worker_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = key_file(worker_environment, 0o600)
    monkeypatch.setenv("VAULT_PRIVATE_KEYS_FILE", str(file))
    before = file.read_text()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    said = transfers("keys", "rotate")

    assert said.status == 1
    assert "can't be written: No space left on device" in said.err
    assert file.read_text() == before
    assert [path.name for path in worker_environment.iterdir()] == ["keys"]


def test_fingerprint_keys_are_listed_with_what_each_does(transfers: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINGERPRINT_KEYS", f"{PRINTS[0]},{PRINTS[1]},destroyed.0badcafe.20250101")

    said, shown = transfers("keys", "--ring", "fingerprint", "--json"), transfers("keys", "--ring", "fingerprint")

    assert [key["state"] for key in said.json] == ["prints", "compares", "destroyed"]
    assert said.json[2]["key_id"] == "0badcafe"
    for text in PRINTS:
        assert text not in said.out + shown.out


def test_keygen_and_init_write_the_day(transfers: Cli) -> None:
    keys = transfers("keygen", "--json").json

    assert read_public(keys["VAULT_PUBLIC_KEY"]).made is not None
    (private,) = KeyRing([Secret(keys["VAULT_PRIVATE_KEYS"])])
    assert private.made == read_public(keys["VAULT_PUBLIC_KEY"]).made
    transfers("init")
    written = dict(line.split("=", 1) for line in Path(".env").read_text().splitlines() if "=" in line)
    assert read_public(written["VAULT_PUBLIC_KEY"]).made is not None
