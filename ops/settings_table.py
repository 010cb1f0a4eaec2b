"""The table of all settings: which processes read each one, its default, its meaning.

`.env`, `.env.example` and the documents are generated from it. A test compares it with the settings classes, since
`ops` may not import those of the worker.
"""

from collections.abc import Iterator
from dataclasses import dataclass

ALL = "all"
PRODUCERS = "producers"
WORKER = "worker"
WEB = "web tier"
OPS = "ops"
CONSOLE = "console"

REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Setting:
    """`default` is `REQUIRED`, or what the room's class takes where nothing is set; "" stands for nothing."""

    name: str
    rooms: tuple[str, ...]
    default: str
    meaning: str

    @property
    def required(self) -> bool:
        return self.default == REQUIRED


@dataclass(frozen=True, slots=True)
class Chapter:
    title: str
    settings: tuple[Setting, ...]


CHAPTERS = (
    Chapter(
        "The servers",
        (
            Setting(
                "EPAY_ENVIRONMENT", (ALL,), "", "test or production; not set: test's addresses, production's rules"
            ),
            Setting("REDIS_URL", (ALL,), REQUIRED, "the ledger's server, the truth: durable, never evicting"),
            Setting("BROKER_URL", (ALL,), "", "the queue's server; if not set, the ledger's with the database + 1"),
            Setting("VAULT_URL", (PRODUCERS, WEB, WORKER), REQUIRED, "the vault's server, without any persistence"),
            Setting("DURABILITY", (ALL,), "strict", "strict; attested: the operator vouches; relaxed: development"),
        ),
    ),
    Chapter(
        "The keys: `transfers keygen` prints new ones",
        (
            Setting("VAULT_PUBLIC_KEY", (PRODUCERS, WEB), REQUIRED, "seals cards, and can't open them"),
            Setting("VAULT_PRIVATE_KEYS", (WORKER,), "", "open cards; comma-separated, newest first"),
            Setting("VAULT_PRIVATE_KEYS_FILE", (WORKER,), "", "or the file that holds them, one a line"),
            Setting("ALLOW_ENV_KEYS", (WORKER,), "False", "1: take them from the environment in production, too"),
            Setting("FINGERPRINT_KEYS", (PRODUCERS,), "", "tell whether a replay is the same intent; newest first"),
            Setting("FINGERPRINT_KEYS_FILE", (PRODUCERS,), "", "or the file that holds them, one a line"),
        ),
    ),
    Chapter(
        "The bank",
        (
            Setting("EPAY_TERMINAL_ID", (WORKER,), REQUIRED, "the shop, of the terminal named main"),
            Setting("EPAY_CLIENT_ID", (WORKER,), REQUIRED, "as registered at the bank"),
            Setting("EPAY_CLIENT_SECRET", (WORKER,), REQUIRED, "as registered at the bank"),
            Setting("EPAY_CLIENT_SECRET_NEXT", (WORKER,), "", "the next, while the bank changes it: both are tried"),
            Setting("EPAY_TERMINALS", (ALL,), "{}", "further terminals and their spaces, as JSON"),
            Setting("EPAY_CREDENTIALS", (WORKER,), "{}", "credentials of each further terminal, as JSON"),
            Setting("EPAY_TEST_HOSTS", (WORKER,), "documented", "documented or newer: which of the bank's test hosts"),
            Setting("EPAY_TOKEN_URL", (WORKER,), "", "the token address; if not set, the environment's"),
            Setting("EPAY_TRANSFER_URL", (WORKER,), "", "the transfer address; if not set, the environment's"),
            Setting("EPAY_CONFIRM_URL", (WORKER,), "", "the confirm address; the bank documents none for test"),
            Setting(
                "EPAY_STATUS_URL", (WORKER,), "", "the status address, with {invoice_id} in it; none: there is none"
            ),
            Setting("EPAY_CONFIRM_AUTH", (WORKER,), "bearer", "bearer or none: whether a confirm carries a token"),
            Setting("EPAY_RECEIVER_ID_FIELD", (WORKER,), "cardCred", "both, id or cardCred: a saved receiver's place"),
            Setting(
                "EPAY_SAVED_SENDER_FIELDS", (WORKER,), "all", "all; given: no empty cvc, expire, name of a saved sender"
            ),
            Setting(
                "EPAY_PAID_STATUSES", (WORKER,), '["AUTH","CHARGE"]', "words that mean paid in any answer, as JSON"
            ),
            Setting(
                "EPAY_NOT_FOUND_LETTER",
                (WORKER,),
                "",
                'the bank\'s letter by which "not found" is final; else it is not',
            ),
            Setting(
                "EPAY_LIMITS", (WORKER,), "{}", "the most for a transfer, a terminal's day, a receiver's day, as JSON"
            ),
            Setting(
                "OPERATOR_LIMITS",
                (WORKER,),
                '{"transfers":100,"KZT":10000000,"USD":20000,"EUR":20000,"RUB":2000000}',
                "what one operator alone requeues or ends a day, as JSON; above it, two",
            ),
            Setting("EPAY_RATE", (WORKER,), "{}", 'transfers a second by terminal, as JSON like {"main": 5}'),
            Setting("EPAY_SECRET_HASH_KEY", (WORKER,), "", "proves a notification to be the bank's; else it is a hint"),
            Setting("BANK_CA_FILE", (WORKER,), "", "a PEM file to trust instead of the built-in one"),
        ),
    ),
    Chapter(
        "The web tier",
        (
            Setting("WEB_BASE_URL", (WEB, WORKER), "", "where its routes are mounted; fills an intent's empty links"),
            Setting(
                "NOTIFY_SECRET", (WEB, WORKER), "", "end of the notification's address; without it none is accepted"
            ),
        ),
    ),
    Chapter(
        "The console",
        (
            Setting("CONSOLE_ADDRESS", (CONSOLE,), "", "HOST:PORT of the operators' pages; not set: there are none"),
            Setting("CONSOLE_IDENTITY", (CONSOLE,), "none", "none: read-only, loopback alone; header; certificate"),
            Setting("CONSOLE_ORIGIN", (CONSOLE,), "", "what people open; not set: the address, on loopback"),
            Setting("CONSOLE_PEOPLE", (CONSOLE,), "", "a TOML file: each person's role and server user"),
            Setting("CONSOLE_IDENTITY_HEADER", (CONSOLE,), "", "header: in which the proxy sends its signed token"),
            Setting("CONSOLE_IDENTITY_KEYS", (CONSOLE,), "", "header: a file of the proxy's public keys, read anew"),
            Setting("CONSOLE_IDENTITY_ISSUER", (CONSOLE,), "", "header: the token's iss"),
            Setting("CONSOLE_IDENTITY_AUDIENCE", (CONSOLE,), "", "header: the token's aud"),
            Setting("CONSOLE_IDENTITY_CLAIM", (CONSOLE,), "email", "header: which claim names the person"),
            Setting("CONSOLE_CERTIFICATE", (CONSOLE,), "", "certificate: the server's, a PEM file"),
            Setting("CONSOLE_KEY", (CONSOLE,), "", "certificate: its private key, a PEM file"),
            Setting("CONSOLE_CLIENT_CA", (CONSOLE,), "", "certificate: the authority of people's, a PEM file"),
            Setting("CONSOLE_PLANS", (CONSOLE,), "", "a folder for plans; not set: none is made or shown"),
        ),
    ),
    Chapter(
        "Time, in seconds",
        (
            Setting("HTTP_CONNECT_TIMEOUT", (WORKER,), "5", "for a connection to the bank"),
            Setting("HTTP_READ_TIMEOUT", (WORKER,), "30", "for the next bytes of an answer"),
            Setting("HTTP_DEADLINE", (WORKER,), "45", "for a whole exchange"),
            Setting("LEASE", (WORKER,), "60", "how long a worker may hold a transfer; 1 more than HTTP_DEADLINE"),
            Setting("RETRY_ATTEMPTS", (WORKER,), "20", "tries (a number) of what is proved not sent, then dead"),
            Setting("RETRY_MIN_BACKOFF", (WORKER,), "1", "the first wait is up to this"),
            Setting("RETRY_MAX_BACKOFF", (WORKER,), "60", "no wait is longer"),
            Setting("CARD_TTL", (PRODUCERS, WEB), "900", "the longest deadline of an intent with a CVC; a PaRes' life"),
            Setting("PARK_TTL", (WORKER,), "900", "how long a 3-D Secure challenge is kept"),
            Setting("DOUBT_HORIZON", (WORKER,), "86400", "before this, `not found` proves nothing"),
            Setting("DOUBT_READS", (WORKER,), "3", "how many answers in a row (a number) have to agree then"),
            Setting("EVENTS_KEEP", (WORKER,), "2592000", "how long events are kept, 30 days"),
        ),
    ),
    Chapter(
        "The rest",
        (
            Setting(
                "LEDGER_REPLICAS", (WORKER,), "0", "so many replicas of the ledger must have a claim before it is sent"
            ),
            Setting("WORKER_THREADS", (WORKER,), "16", "transfers at work at once in one process"),
            Setting("QUEUE_LIMIT", (PRODUCERS,), "", "enqueue answers QueueFull above this many"),
            Setting(
                "METRICS_ADDRESS", (WORKER,), "", "HOST:PORT of this worker's /metrics, /live, /ready; not set: none"
            ),
            Setting("EXPORTER_ADDRESS", (OPS,), "127.0.0.1:9464", "the same of `transfers exporter`"),
            Setting("FOLLOWER_ADDRESS", (OPS,), "", "/live, /ready of `events --follow` with a place; not set: none"),
            Setting("OPERATOR", (OPS,), "", "the name beside what is changed; if not set, the login name"),
            Setting("LOG_LEVEL", (ALL,), "INFO", "DEBUG, INFO, WARNING or ERROR; not of a backend's log"),
            Setting("SENTRY_DSN", (ALL,), "", "where errors are reported; nothing is if not set"),
        ),
    ),
)

SETTINGS = tuple(setting for chapter in CHAPTERS for setting in chapter.settings)


def markdown_rows() -> Iterator[str]:
    """The table for the documents, a line each."""
    yield "| name | read by | default | meaning |"
    yield "|---|---|---|---|"
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default and not setting.required else setting.default or "-"
        yield f"| `{setting.name}` | {', '.join(setting.rooms)} | {default} | {setting.meaning} |"
