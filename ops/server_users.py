"""The servers' users: what each process may do on the ledger and the vault, written as ACL files for Redis and Valkey.

One place says it, and `transfers acl` writes the files from it. A user runs its own scripts and no others: by their
digests (`+evalsha|DIGEST`), so a script that a thief loads can't be run. A server checks the commands inside a script
as well, so a user needs those too: each stands in a rule for the keys that it is for, and DEL, SET and PEXPIRE in none
that holds an event or a record. `evalsha|DIGEST` is a form that Redis' documents call deprecated; a test holds it on
each server. The way out, should it go, is functions: `+fcall|name`.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from epay_transfers.ledger.queue.broker import BATCH, INQUIRIES, NAMESPACE, NOW
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.inboxes import WEB, operator
from epay_transfers.ledger.store.scripts import text_of
from epay_transfers.runtime.server_addresses import OPERATORS_USER

SERVERS = ("ledger", "vault")

#: No connection comes in by a user that is off. But many servers (Redis 7.0, Valkey up to 9.1.1) read their append-only
#: file as `default`, and leave out, without an error, what a script or a MULTI wrote and that user may not. So on the
#: ledger it may do all. A vault has no file.
_DEFAULT = {"ledger": "user default off ~* &* +@all", "vault": "user default off resetchannels -@all"}

_PLACEHOLDER = "#SHA256-OF-THE-PASSWORD-OF-"
_USER_IN_FILE = re.compile(rf"^(user (\S+) (?:on|off) ){_PLACEHOLDER}\S+", re.MULTILINE)

#: A user under its passwords, as they lie in a file that a server has loaded.
_IN_USE = re.compile(r"^user (\S+) (on|off)((?: #[0-9a-f]{64})+)(?= )", re.MULTILINE)

#: A digest in a file, to go on allowing it during an upgrade.
_DIGEST = re.compile(r"\+evalsha\|([0-9a-f]{40})")

#: What redis-py asks, and the examination of the servers besides.
_CONNECTS = ("ping", "hello", "select")
_EXAMINES = ("time", "info", "acl|dryrun")

#: Whether the server keeps what it confirms. Its settings hold a replica's password (`masterauth`), and an ACL can't
#: name single settings: so this is for those alone that refuse to work on a server that may forget, or say so.
_READS_SETTINGS = "config|get"

_RECORDS = redis_keys.every("r:")
_EVENTS = redis_keys.EVENTS
_DUE, _BY_STATE, _COUNTERS = redis_keys.DUE, redis_keys.BY_STATE, redis_keys.COUNTERS
_REFERENCES, _HANDLES = redis_keys.every("ref:"), redis_keys.every("handle:")
_CHALLENGES, _MDS, _BANK_IDS = (redis_keys.every(name) for name in ("challenge:", "md:", "bank:"))
_BANK_REFERENCES, _BANK_ID_NAMES = redis_keys.every("refs:"), redis_keys.every("bank_ids:")
_PRINTS = redis_keys.every("prints:")
_SUFFIXES, _LIMITS = redis_keys.every("suffixes:"), redis_keys.every("limits:")
_ARCHIVED = redis_keys.every("archived:")
_CARDS, _PARES = redis_keys.every("card:"), redis_keys.every("pares:")
_SEALED_CARDS, _SEALED_PARES = redis_keys.every("sealed:card:"), redis_keys.every("sealed:pares:")


@dataclass(frozen=True, slots=True)
class Rule:
    """Commands on keys. `R#KEY` may be read, `W#KEY` be written, a key without a mark both."""

    commands: tuple[str, ...]
    keys: tuple[str, ...] = ()

    def text(self) -> str:
        words = [f"+{command}" for command in self.commands]
        for key in self.keys:
            way, _, name = key.partition("#")
            words.append(f"%{way}~{name}" if name else f"~{key}")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class ServerUser:
    """`scripts` run with the first rule's keys; each further rule is a selector of its own."""

    scripts: tuple[str, ...]
    rules: tuple[Rule, ...]
    is_on: bool = True
    examines: bool = True  #: looks whether the servers are what they must be
    reads_settings: bool = True  #: and how they are configured
    channels: tuple[str, ...] = ()

    def line(self, name: str, digests: Iterable[str]) -> str:
        first, *others = self.rules
        looks = (*_EXAMINES, *([_READS_SETTINGS] if self.reads_settings else [])) if self.examines else ()
        words = [
            f"user {name} {'on' if self.is_on else 'off'} {_PLACEHOLDER}{name.upper()} resetchannels -@all",
            *(f"+{command}" for command in (*_CONNECTS, *looks)),
            *(["+script|load"] if self.scripts else []),
            *(f"+evalsha|{digest}" for digest in digests),
            *(f"&{channel}" for channel in self.channels),
            first.text(),
            *(f"({rule.text()})" for rule in others),
        ]
        return " ".join(words)


def _read(*keys: str) -> tuple[str, ...]:
    return tuple(f"R#{key}" for key in keys)


def _write(*keys: str) -> tuple[str, ...]:
    return tuple(f"W#{key}" for key in keys)


#: What `move` needs, and with it every script that changes a transfer.
_MOVES = (
    Rule(("type", "hget", "hmget", "hlen", "hset", "hdel", "hincrby"), (_RECORDS, _COUNTERS)),
    Rule(("type", "zadd", "zrem"), (_DUE, _BY_STATE)),
    Rule(("xadd",), (_EVENTS,)),
    Rule(("pexpire", "set"), (_HANDLES,)),
    Rule(("del",), (_CHALLENGES, *_write(_PRINTS))),
)

_QUEUES = tuple(f"{NAMESPACE}:{name}{end}" for name in (NOW, BATCH, INQUIRIES) for end in ("", ".msgs"))

#: Dramatiq's own, by their files.
_DRAMATIQ = ("dispatch.lua", "maxstack.lua")


def digest(script: str) -> str:
    if script in _DRAMATIQ:
        text = (resources.files("dramatiq") / "brokers" / "redis" / script).read_text(encoding="utf-8")
    else:
        text = text_of(script)
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


_PRODUCER = ServerUser(
    (
        "create", "move", "tell", "remember_fingerprint_keys",
        "outcome_ready", "outcome_aside", "outcome_replay",
    ),
    (
        Rule(
            ("get", "hgetall"),
            (
                _RECORDS, _DUE, _BY_STATE, _COUNTERS, _EVENTS, _HANDLES, _CHALLENGES, _REFERENCES, _SUFFIXES,
                _PRINTS, redis_keys.PAUSES, redis_keys.ADDED_PAUSES, redis_keys.FINGERPRINT_KEYS, redis_keys.LOST,
                _ARCHIVED,
                redis_keys.OUTCOMES_ASIDE, redis_keys.OUTCOME_REPLAYS,
            ),
        ),
        *_MOVES,
        Rule(("smembers", "sismember", "sadd"), (redis_keys.FINGERPRINT_KEYS,)),
        Rule(("set",), (_REFERENCES, _PRINTS)),
        Rule(("getbit", "setbit", "bitpos"), (_SUFFIXES,)),
        Rule(("hget", "hmget"), _read(redis_keys.LOST, redis_keys.CONTRADICTED, _ARCHIVED)),
        Rule(("zlexcount", "zrangebylex", "zrevrangebylex"), (_BY_STATE,)),
        Rule(("hgetall", "hlen", "exists"), (redis_keys.PAUSES, redis_keys.ADDED_PAUSES)),
        Rule(
            (
                "xgroup|create", "xgroup|delconsumer", "xreadgroup", "xautoclaim", "xack", "xpending", "xclaim",
                "xrange",
            ),
            (_EVENTS,),
        ),
        Rule(("hexists", "hdel"), (redis_keys.OUTCOMES_ASIDE, redis_keys.OUTCOME_REPLAYS)),
        Rule(("hkeys", "hset"), (redis_keys.OUTCOMES_ASIDE,)),
        Rule((f"evalsha|{digest('queue_send')}", "hset", "rpush"), _QUEUES),
    ),
)  # fmt: skip

#: The web tier reads, and adds to its inbox.
_WEB = ServerUser(
    (),
    (
        Rule(
            ("get", "hgetall"),
            _read(_RECORDS, _COUNTERS, _HANDLES, _CHALLENGES, _MDS),
        ),
        Rule(("hget",), _read(redis_keys.CONTRADICTED)),
        Rule(("rpush",), _write(redis_keys.inbox(WEB))),
        Rule(("incrby", "pexpire"), (redis_keys.every("guesses:"),)),
    ),
)

_WORKER = ServerUser(
    (
        "claim", "move", "due", "probe", "remember_vault", "set_aside", "inbox_take", "tell", "trim",
        "queue_fetch", "queue_send", "count_receiver", "count_operator", "remember_worker",
        "remember_sample", "watched", "ledger_look", "half_open", "turn", "rate", "leave_waiting",
        *_DRAMATIQ,
    ),
    (
        Rule(
            ("get", "hget", "hgetall", "smembers", "srandmember", "zrem"),
            (
                _RECORDS, _DUE, _BY_STATE, _COUNTERS, _EVENTS, _HANDLES, _CHALLENGES, _MDS, _BANK_IDS, _BANK_ID_NAMES,
                _BANK_REFERENCES,
                redis_keys.PAUSES, redis_keys.ADDED_PAUSES, redis_keys.ENDED_PAUSES, redis_keys.BREAKERS,
                redis_keys.RATES, redis_keys.TERMINALS, redis_keys.UNREADABLE, redis_keys.OPERATORS,
                redis_keys.TAKEN, redis_keys.WORKERS, redis_keys.SAMPLES, redis_keys.SAMPLE_TURN,
                redis_keys.every("inbox:"), _LIMITS,
                redis_keys.WATCHED, redis_keys.CONTRADICTED, redis_keys.SERVER, redis_keys.TURNS,
                NAMESPACE, f"{NAMESPACE}:*",
            ),
        ),
        *_MOVES,
        # WAIT and WAITAOF, by which replicas prove that they have a claim. Redis 7.0 has no WAITAOF, and would refuse a
        # file that names it; of the commands of its category all others need a key, and this rule has none.
        Rule(("wait", "@blocking")),
        Rule(("type", "zadd", "zrangebyscore"), (redis_keys.WATCHED,)),
        Rule(("type", "hset", "hdel"), (redis_keys.CONTRADICTED,)),
        Rule(("hget", "hset", "hdel", "pexpire"), (_LIMITS,)),
        Rule(("set",), (_CHALLENGES, _MDS)),
        Rule(("hset",), (_BANK_ID_NAMES, _BANK_REFERENCES)),
        Rule(("zrangebylex", "zrangebyscore", "zscore"), (_DUE, _BY_STATE)),
        Rule(("xtrim", "xinfo|groups", "xpending", "exists"), (_EVENTS,)),
        Rule(("hkeys",), _read(redis_keys.OUTCOMES_ASIDE)),  # the log is not trimmed past these
        Rule(("xrevrange",), _read(_EVENTS)),  # did the worker that took an entry before answer it?
        Rule(("type", "exists", "hlen", "hmget", "hset", "hdel", "hincrby", "hscan", "multi", "exec"), (
            redis_keys.PAUSES, redis_keys.ADDED_PAUSES, redis_keys.BREAKERS, redis_keys.RATES, redis_keys.UNREADABLE)),
        Rule(("hsetnx",), (redis_keys.TERMINALS,)),
        Rule(("type", "zadd", "zscore", "zremrangebyrank"), (redis_keys.ENDED_PAUSES,)),
        Rule(("type", "hmget", "hset", "hsetnx"), (redis_keys.SERVER,)),
        Rule(("hset", "hdel"), (redis_keys.WORKERS, redis_keys.TURNS)),
        Rule(("lpush", "ltrim"), (redis_keys.SAMPLES,)),
        Rule(("set",), (redis_keys.SAMPLE_TURN,)),
        Rule(("lpop",), (redis_keys.every("inbox:"),)),
        Rule(("zadd", "zrange"), (redis_keys.TAKEN,)),
        Rule(
            (
                "hset", "hget", "hdel", "hincrby", "keys", "llen", "lpop", "rpush", "sadd", "smembers", "srem",
                "zadd", "zrangebyscore", "zrem", "type", "hstrlen", "exists", "del", "hexists", "hsetnx", "zscore",
                "hscan", "lindex", "blmove",
            ),
            (f"{NAMESPACE}:*",),
        ),
    ),
)  # fmt: skip


#: What an operator may read of the ledger and the queue. `transfers scan` looks at these keys under such a user.
OPERATORS_READ = (
    _RECORDS, _DUE, _BY_STATE, _COUNTERS, _EVENTS, _REFERENCES, _ARCHIVED, _BANK_REFERENCES, _BANK_IDS, _BANK_ID_NAMES,
    redis_keys.PAUSES, redis_keys.ADDED_PAUSES, redis_keys.BREAKERS,
    redis_keys.RATES, redis_keys.TERMINALS, redis_keys.WORKERS, redis_keys.SAMPLES, redis_keys.CONTRADICTED,
    redis_keys.FINGERPRINT_KEYS, redis_keys.OUTCOMES_ASIDE, redis_keys.OUTCOME_REPLAYS, f"{NAMESPACE}:*",
)  # fmt: skip


_OPERATOR_LOOKS = (
    "get", "hgetall", "hlen", "zrange", "zrangebylex", "zrevrangebylex", "zcard", "smembers", "zlexcount",
    "zrangebyscore", "xread", "xrevrange", "llen", "lindex", "hget", "hmget", "hkeys", "xrange", "xinfo|stream",
    "xinfo|groups", "xinfo|consumers", "xpending", "exists", "multi", "exec", "hscan", "lrange", "hstrlen",
)  # fmt: skip

#: Of `transfers scan`, which looks for card numbers in whatever is there.
_SCANS = ("scan", "type", "getrange", "sscan", "zscan")

_COUNTS_REQUESTS = Rule(("llen", "smembers"), _read(redis_keys.every("inbox:"), redis_keys.OPERATORS))


def _operator(name: str) -> ServerUser:
    """An operator reads everything but what a client's browser is sent, and adds to the operator's own inbox."""
    return ServerUser(
        (),
        (
            Rule((*_OPERATOR_LOOKS, *_SCANS), _read(*OPERATORS_READ)),
            _COUNTS_REQUESTS,
            Rule(("rpush",), _write(redis_keys.inbox(operator(name)))),
            Rule(("sadd",), _write(redis_keys.OPERATORS)),
            Rule(("hsetnx",), _write(redis_keys.ADDED_PAUSES)),
            Rule(("hset",), _write(redis_keys.OUTCOME_REPLAYS)),
            Rule(
                ("script|load", f"evalsha|{digest('add_pause')}"),
                (redis_keys.ADDED_PAUSES, redis_keys.OPERATORS, redis_keys.inbox(operator(name))),
            ),
        ),
    )  # fmt: skip


#: `transfers console`: what it shows it reads, as an operator does, and it writes nothing. What a person asks for is
#: written under that person's own `ops-NAME`.
_CONSOLE = ServerUser((), (Rule(_OPERATOR_LOOKS, _read(*OPERATORS_READ)), _COUNTS_REQUESTS))

#: `transfers events --follow`: it reads the event log, and the number of the last event. It is on the ledger alone.
_FOLLOWER = ServerUser(
    (),
    (
        Rule(("xread", "xrevrange", "xinfo|stream", "multi", "exec"), _read(_EVENTS)),
        Rule(("hget",), _read(_COUNTERS)),
    ),
    examines=False,
)

#: `transfers exporter`: it counts, and reads what `overview` says. Of a record it asks for single times.
_EXPORTER = ServerUser(
    (),
    (
        Rule(("hgetall",), _read(_COUNTERS, redis_keys.BREAKERS, redis_keys.WORKERS, redis_keys.CONTRADICTED)),
        Rule(("hscan",), _read(redis_keys.PAUSES, redis_keys.ADDED_PAUSES)),
        Rule(("zrangebyscore", "zrangebylex", "zrevrangebylex", "zlexcount"), _read(_DUE, _BY_STATE)),
        Rule(("hget",), _read(_RECORDS, _COUNTERS)),
        Rule(("xrevrange",), _read(_EVENTS)),
        Rule(("lrange",), _read(redis_keys.SAMPLES)),
        Rule(("hkeys",), _read(redis_keys.OUTCOMES_ASIDE)),
        Rule(("llen", "smembers"), _read(redis_keys.every("inbox:"), redis_keys.OPERATORS)),
    ),
)  # fmt: skip

_VAULT_PRODUCER = ServerUser(
    ("vault_put", "vault_look", "vault_close", "vault_drop", "vault_count"),
    (
        Rule(("get",), (_CARDS, _PARES)),
        Rule(("get", "set"), (redis_keys.WRITES,)),
        Rule(("set",), (_CARDS,)),
        Rule(("set", "del"), _write(_SEALED_CARDS)),
        Rule(("get",), _read(redis_keys.HIGH_WATER)),
    ),
)

#: The web tier may not write the count that guards cards: by it, a vault that went back could be hidden.
_VAULT_WEB = ServerUser(
    ("vault_put", "vault_look"),
    (
        Rule(("get", "set"), (_PARES,)),
        Rule(("set",), _write(_SEALED_PARES)),
        Rule(("get",), _read(redis_keys.HIGH_WATER, redis_keys.WRITES)),
    ),
)

_VAULT_WORKER = ServerUser(
    (
        "vault_take", "vault_refence", "vault_put_back", "vault_close", "vault_drop", "vault_look", "vault_count",
        "vault_mark",
    ),
    (
        Rule(("get", "set"), (_CARDS, _PARES, redis_keys.HIGH_WATER, redis_keys.WRITES)),
        Rule(("get", "set", "del", "pttl"), (_SEALED_CARDS, _SEALED_PARES)),
        Rule(("hgetall", "hset", "hdel"), (redis_keys.KEPT_PAUSES,)),
    ),
)  # fmt: skip

#: Whether a card is there that a transfer waits for, as `transfers explain` says it.
_VAULT_CONSOLE = ServerUser((), (Rule(("get",), _read(_CARDS, redis_keys.HIGH_WATER)),))

_VAULT_EXPORTER = ServerUser((), (Rule(("get",), _read(redis_keys.HIGH_WATER)),))

_VAULT_OPERATOR = ServerUser(
    (),
    (Rule(("get", "scan"), _read(_CARDS, redis_keys.HIGH_WATER)),),
)

#: What a person watches a server with. It changes no data, no user and no setting.
_ADMIN = ServerUser(
    (),
    (
        Rule(
            (
                "acl|list", "acl|getuser", "acl|whoami", "acl|log", "acl|load", "script|kill", "client|list",
                "client|kill", "memory|stats", "latency", "dbsize",
            )
        ),
    ),
    reads_settings=False,
)  # fmt: skip

#: `transfers archive`: what ended long ago is exported, and reduced by one script. Of the event log, what
#: `transfers events --export FILE` has written may leave it; `transfers outcomes forget` ends a group of consumers. It
#: is off as `repair` is: it could empty any record.
_ARCHIVE = ServerUser(
    ("archive", "trim", "tell"),
    (
        Rule(
            ("get", "hget", "hgetall"),
            (
                _RECORDS, _DUE, _BY_STATE, _COUNTERS, _EVENTS, _REFERENCES, _ARCHIVED, redis_keys.CONTRADICTED,
                redis_keys.WATCHED, redis_keys.OUTCOMES_ASIDE,
            ),
        ),
        Rule(("type", "hmget", "hlen", "hset", "hdel", "hincrby"), (_RECORDS, _COUNTERS)),
        Rule(("zscore",), _read(_DUE, redis_keys.WATCHED)),
        Rule(("zcard", "zrangebylex"), _read(_BY_STATE)),
        Rule(
            (
                "xadd", "xrange", "xrevrange", "xtrim", "xinfo|groups", "xinfo|consumers", "xpending", "exists",
                "xgroup|destroy",
            ),
            (_EVENTS,),
        ),
        Rule(("hkeys", "hgetall", "hdel"), (redis_keys.OUTCOMES_ASIDE, redis_keys.OUTCOME_REPLAYS)),
        Rule(("type", "hset"), (_ARCHIVED,)),
        Rule(("del",), _write(_REFERENCES)),
    ),
    is_on=False,
    reads_settings=False,
)  # fmt: skip

#: What `transfers upgrade` needs besides.
_UPGRADES = ("smembers", "hmget", "set", "del", "watch", "unwatch", "multi", "exec")

#: For the repairs that the runbook spells out, and for `transfers upgrade`. It is off: an administrator of the machine
#: turns it on in the file.
_REPAIR = ServerUser(
    (),
    (
        Rule(
            (
                "hget", "hset", "hdel", "zadd", "setbit", "type", "scan", "hgetall", "xdel", "xsetid",
                "rename",
                *_UPGRADES,
            ),
            (redis_keys.every(""),),
        ),
    ),
    is_on=False,
    reads_settings=False,
)  # fmt: skip


#: By it a replica of the ledger copies all that the ledger has (`masteruser`). It is off: turned on where there is one.
_REPLICA = ServerUser((), (Rule(("psync", "replconf")),), is_on=False, examines=False)

#: By it Sentinels watch the ledger and its replicas, and promote one (`sentinel auth-user`). It is off as well.
_SENTINEL = ServerUser(
    (),
    (
        Rule(
            (
                "info", "role", "publish", "subscribe", "multi", "exec", "slaveof", "config|rewrite", "client|setname",
                "client|kill", "script|kill",
            )
        ),
    ),
    is_on=False,
    examines=False,
    channels=("__sentinel__:hello",),
)  # fmt: skip


def users(server: str, operators: Sequence[str]) -> Mapping[str, ServerUser]:
    """By name, in the order of the file."""
    if server == "ledger":
        first = {
            "producer": _PRODUCER,
            "web": _WEB,
            "backend": _both(_PRODUCER, _WEB),
            "follower": _FOLLOWER,
            "exporter": _EXPORTER,
            "console": _CONSOLE,
            "worker": _WORKER,
        }
        return (
            first
            | {f"{OPERATORS_USER}{name}": _operator(name) for name in operators}
            | {"admin": _ADMIN, "repair": _REPAIR, "archive": _ARCHIVE, "replica": _REPLICA, "sentinel": _SENTINEL}
        )
    first = {
        "producer": _VAULT_PRODUCER,
        "web": _VAULT_WEB,
        "backend": _both(_VAULT_PRODUCER, _VAULT_WEB),
        "exporter": _VAULT_EXPORTER,
        "console": _VAULT_CONSOLE,
        "worker": _VAULT_WORKER,
    }
    return first | {f"{OPERATORS_USER}{name}": _VAULT_OPERATOR for name in operators} | {"admin": _ADMIN}


def file_text(server: str, operators: Sequence[str], previous: str = "") -> str:
    """An ACL file with placeholders for passwords. `previous`: of the release before, whose scripts may go on."""
    lines = [_DEFAULT[server]]
    older = {line.split()[1]: _DIGEST.findall(line) for line in previous.splitlines() if line.startswith("user ")}
    for name, user in users(server, operators).items():
        digests = [digest(script) for script in user.scripts]
        known = {*digests, *_DIGEST.findall(user.line(name, []))}
        digests += [each for each in older.get(name, []) if each not in known]
        lines.append(user.line(name, digests))
    return "\n".join(lines) + "\n"


def users_in(text: str) -> list[str]:
    """The users of an ACL file that still lack a password, in its order."""
    return [found[2] for found in _USER_IN_FILE.finditer(text)]


def with_passwords(text: str, passwords: Mapping[str, str]) -> str:
    """The ACL file with the digest of each user's password in place of its placeholder."""
    return _USER_IN_FILE.sub(
        lambda found: f"{found[1]}#{hashlib.sha256(passwords[found[2]].encode()).hexdigest()}", text
    )


def as_in_use(text: str, in_use: str) -> str:
    """The ACL file with each user on or off, and under the passwords' digests, as in the file that is in use.

    A user that is not there, or has no password there, keeps its placeholder.
    """
    known = {found[1]: f"{found[2]}{found[3]}" for found in _IN_USE.finditer(in_use)}
    return _USER_IN_FILE.sub(
        lambda found: f"user {found[2]} {known[found[2]]}" if found[2] in known else found[0], text
    )


def _both(one: ServerUser, other: ServerUser) -> ServerUser:
    """Of a process that is backend and web tier."""
    scripts = tuple(dict.fromkeys((*one.scripts, *other.scripts)))
    (first, *rest), (second, *more) = one.rules, other.rules
    missing = tuple(key for key in second.keys if key.partition("#")[2] not in first.keys)
    rules = (Rule(first.commands, (*first.keys, *missing)), *rest, second, *more)
    return ServerUser(scripts, rules)
