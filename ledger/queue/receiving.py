"""May this client receive from the queue? Asked by what a worker does there, each in a form that changes nothing."""

from importlib import resources

import redis

from epay_transfers.ledger.queue.broker import BEGINNINGS, NAMESPACE, QUEUES
from epay_transfers.ledger.store.scripts import text_of
from epay_transfers.ledger.store.server_problems import ServerReason, reason_of

#: The id of no message, and of no worker.
_NONE = "transfers-check"


def try_receiving(client: redis.Redis) -> None:
    """Raises the client's error for the first thing that a worker has to do there and this client may not.

    The scripts get no keys, so they end at their first line. ZADD with XX adds nothing, but a server that takes no
    write refuses it: a full one, a replica, one without room on its disk. What HSETNX adds, the next command removes.
    """
    dispatch = (resources.files("dramatiq") / "brokers" / "redis" / "dispatch.lua").read_text(encoding="utf-8")
    own = [text_of(name) for name in ("queue_fetch", "queue_send")]
    digests = [client.script_load(text) for text in (*own, dispatch)]
    pipeline = client.pipeline(transaction=False)
    for digest in digests:
        pipeline.evalsha(digest, 0)
    pipeline.zadd(f"{NAMESPACE}:__heartbeats__", {_NONE: 0}, xx=True)
    pipeline.zscore(f"{NAMESPACE}:__heartbeats__", _NONE)
    pipeline.hsetnx(BEGINNINGS, _NONE, "0")
    pipeline.hdel(BEGINNINGS, _NONE)
    pipeline.blmove(f"{NAMESPACE}:{_NONE}", f"{NAMESPACE}:{_NONE}", 0.001)  # type: ignore[arg-type]  # the server takes parts of a second
    for queue in QUEUES:
        name = f"{NAMESPACE}:{queue}"
        pipeline.lpop(name, 0)
        pipeline.hdel(f"{name}.msgs", _NONE)
        pipeline.srem(f"{NAMESPACE}:__acks__.{_NONE}.{queue}", _NONE)
        pipeline.zrem(f"{name}.XQ", _NONE)
    for reply in pipeline.execute(raise_on_error=False):
        # What a key of another type answers, or a script without its keys, is no refusal.
        if isinstance(reply, redis.RedisError) and reason_of(reply) is not ServerReason.OTHER:
            raise reply
