"""For Django REST framework: its setting `EXCEPTION_HANDLER` names `exception_handler` of this module."""

from collections.abc import Mapping
from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler as of_the_framework
from rest_framework.views import set_rollback

from epay_transfers.producers.errors import IntentRejected
from epay_transfers.producers.web.rejections import rejection


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """A rejected intent is 422, with its field and the reason, and no value of it. Else what the framework answers."""
    if not isinstance(error, IntentRejected):
        answer: Response | None = of_the_framework(error, context)
        return answer
    set_rollback()
    status, body = rejection(error)
    return Response(body, status)
