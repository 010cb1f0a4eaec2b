"""systemd's units as tests read them: each setting with its values, and the command as systemd would run it."""

import shlex
from dataclasses import dataclass

from tests.deploy.host import ROOT, Host, Process

FOLDER = ROOT / "deploy/systemd"


@dataclass(frozen=True)
class Unit:
    """`instance`: what stands for `%i`."""

    name: str
    settings: dict[str, list[str]]
    instance: str = ""

    @classmethod
    def read(cls, name: str) -> "Unit":
        """`transfers-worker@9108` is an instance of the file `transfers-worker@.service`."""
        stem, at, instance = name.partition("@")
        found: dict[str, list[str]] = {}
        for line in (FOLDER / f"{stem}{at}.service").read_text().splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                found.setdefault(key, []).append(value.replace("%i", instance))
        return cls(name, found, instance)

    def __getitem__(self, key: str) -> str:
        """The one value of a setting."""
        [value] = self.settings[key]
        return value

    @property
    def command(self) -> list[str]:
        return shlex.split(self["ExecStart"])

    def seconds(self, key: str) -> float:
        return float(self[key])

    def start(self, host: Host, *more: str, without: str = "") -> Process:
        """As systemd does: its user, folders, credentials, limits. `without`: a credential that is not there."""
        user = self["User"]
        env, script = self._environment(host), ["set -e"]
        if state := self.settings.get("StateDirectory"):
            place = f"/var/lib/{state[0]}"
            script += [
                f"mkdir -p {place}",
                f"chown {user}:{user} {place}",
                f"chmod {self['StateDirectoryMode']} {place}",
            ]
        if loaded := self.settings.get("LoadCredential"):
            place = f"/run/credentials/{self.name}.service"
            env["CREDENTIALS_DIRECTORY"] = place
            script += [f"mkdir -p {place}", f"mount -t tmpfs tmpfs {place}"]
            for each in loaded:
                prefix, _, folder = each.partition(":")
                for file in sorted(host.path(folder).iterdir()):
                    if file.name != without:
                        to = f"{place}/{prefix}_{file.name}"
                        script += [f"cp {folder}/{file.name} {to}", f"chown {user} {to}", f"chmod 400 {to}"]
            script += [f"chown {user} {place}", f"chmod 500 {place}"]
        script += [f"cd {folder}" for folder in self.settings.get("WorkingDirectory", ["/"])]
        files, most = self["LimitNOFILE"], '"$(ulimit -Hn)"'  # a machine of these tests may allow fewer
        script += [f"ulimit -n {files} 2>/dev/null || ulimit -n {most}", f"ulimit -c {self['LimitCORE']}"]
        script += [f"umask {self['UMask']}"]
        return host.start(
            *self.command, *more,
            name=self.name, env=env, script="\n".join(script), user=user,
            is_without_new_code=self["MemoryDenyWriteExecute"] == "yes",
        )  # fmt: skip

    def _environment(self, host: Host) -> dict[str, str]:
        lines = [each for line in self.settings.get("Environment", []) for each in shlex.split(line)]
        for place in self.settings.get("EnvironmentFile", []):
            lines = [*lines, *host.path(place).read_text().splitlines()]
        return dict(line.split("=", 1) for line in lines)


def names() -> list[str]:
    """Each unit, and one instance of a template."""
    found = sorted(path.name.removesuffix(".service") for path in FOLDER.glob("*.service"))
    return [f"{name}9108" if name.endswith("@") else name for name in found]


def runbook_block(heading: str) -> str:
    """The lines to be typed, below a heading of the runbook."""
    text = (ROOT / "deploy/runbook.md").read_text()
    section = text.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    return section.partition("\n```\n")[2].partition("\n```\n")[0]
