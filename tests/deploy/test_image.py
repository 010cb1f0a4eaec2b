"""The image: what it is built from reaches it, by its own lines; it is a production install, and not root's."""

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy import compose
from tests.deploy.host import ROOT
from tests.packaging.conftest import Distributions, distributions
from tests.packaging.test_distribution import names_in_wheel

__all__ = ["distributions"]

IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def is_sent(path: str) -> bool:
    """Does Docker see the file? The last rule that fits it, or a folder above it, decides."""
    sent = True
    for line in IGNORED:
        rule = line.removeprefix("!")
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        if rule.startswith("**/"):
            fits = any(fnmatch.fnmatchcase(part, rule[3:]) for part in parts)
        else:
            fits = any(fnmatch.fnmatchcase(each, rule) and each.count("/") == rule.count("/") for each in above)
        if fits:
            sent = line.startswith("!")
    return sent


def test_what_docker_sees_is_enough_to_build_the_wheel_by_the_dockerfiles_line(
    distributions: Distributions, tmp_path: Path
) -> None:
    """From the committed files that `.dockerignore` lets through; and the wheel is the one that everybody gets."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - the developer's own
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    source = tmp_path / "source"
    for name in filter(is_sent, listed.stdout.splitlines()):
        if (ROOT / name).is_symlink() or (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    [line] = [rest for word, rest in compose.instructions() if word == "RUN" and "pip wheel" in rest]
    build, *_ = line.split(" && ")
    words = build.replace("/wheels", str(tmp_path / "wheels")).split()
    assert words[0] == "/opt/build/bin/pip"
    done = subprocess.run(  # noqa: S603 - pip of these tests, which have what builds
        [sys.executable, "-m", "pip", *words[1:]], cwd=source, capture_output=True, text=True, timeout=110, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = (tmp_path / "wheels").iterdir()
    assert names_in_wheel(wheel) == names_in_wheel(distributions.wheel)


def test_nothing_that_is_secret_or_for_developers_reaches_the_image() -> None:
    for name in (".env", ".git/config", "tests/conftest.py", "deploy/secrets/worker/REDIS_URL", "deploy/settings.env",
                 "benchmarks/run.py", "requirements-dev.txt", ".venv/bin/python", "worker/.env"):  # fmt: skip
        assert not is_sent(name), name
    assert is_sent("worker/journey.py")
    assert is_sent("src/epay_transfers/__init__.py")


def test_it_installs_what_is_locked_for_production_with_hashes_and_compiles_nothing() -> None:
    """The demo's requirements, and with them the sandbox' and an embedded server's, are not there."""
    installs = [
        part
        for word, rest in compose.instructions()
        if word == "RUN"
        for part in rest.split("&& ")
        if "pip install" in part
    ]

    for line in installs:
        assert "--no-index --no-deps" in line or "--require-hashes --only-binary :all:" in line, line
    assert set(re.findall(r"-r (\S+)", " ".join(installs))) == {'"${REQUIREMENTS}"', "requirements-build.txt"}
    assert ("ARG", "REQUIREMENTS=requirements.txt") in compose.instructions()
    asked = compose.document()["services"]["console"]["build"]["args"]
    assert asked == {"REQUIREMENTS": "requirements-console.txt"}
    assert is_sent("requirements-console.txt")


def test_what_builds_is_left_behind_and_the_process_is_not_root() -> None:
    words = [word for word, _ in compose.instructions()]

    assert words.count("FROM") == 2
    assert compose.of_the_image("COPY") == "--from=build /opt/transfers /opt/transfers"
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", compose.of_the_image("USER"))
    assert compose.of_the_image("USER") == compose.Service.read("worker").user


def test_its_base_is_a_version_and_is_the_python_of_these_tests() -> None:
    """What the tests ran on is what runs."""
    base = compose.instructions()[0]

    assert base[0] == "ARG"
    found = re.fullmatch(r"BASE=python:(\d+)\.(\d+)-slim-bookworm", base[1])
    assert found is not None
    assert (int(found[1]), int(found[2])) == (3, 11)


def test_what_builds_the_wheel_is_locked() -> None:
    text = (ROOT / "requirements-build.txt").read_text()

    assert re.findall(r"^([\w-]+)==", text, re.MULTILINE) == ["setuptools"]
    pin = re.findall(r"^setuptools==\S+", text, re.MULTILINE)
    assert pin[0] in (ROOT / "requirements-dev.txt").read_text()
