"""`transfers console`: the operators' pages, until a signal."""

import typer

from epay_transfers.extras import needed
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.runtime import logs
from epay_transfers.runtime.setting_sources import ENV_FILE

with needed("console", "The command `transfers console`"):
    from epay_transfers.ops.console import server
    from epay_transfers.ops.console.app import create_app
    from epay_transfers.ops.console.settings import ConsoleSettings

app = typer.Typer()


@app.command()
def console() -> None:
    """Serve the operators' pages at CONSOLE_ADDRESS until a signal. Without proved people, it changes nothing."""
    settings = ConsoleSettings.load(env_file=ENV_FILE)
    logs.set_up(settings.log_level)
    if not settings.console_address:
        raise Refusal("CONSOLE_ADDRESS: is not set, so the console is off; give HOST:PORT, like 127.0.0.1:9480")
    context = Context(settings, SystemClock(), connect(settings.redis_url.reveal(), settings.name_of("REDIS_URL")))
    listener, origin = server.listen(settings)
    pages = create_app(settings, context, server.origins_of(settings, origin))
    opened = settings.console_origin or origin
    server.serve(pages, settings, listener, lambda: screen.say_typed(f"The console is at {opened}/ . Ctrl-C ends it."))
