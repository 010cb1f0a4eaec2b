"""Django, in one file: gunicorn with_django:app, with WEB_BASE_URL=https://shop.example/transfers"""

import secrets

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from epay_transfers.producers import IntentRejected, PanCard, ProducerAndWebSettings, Receiver, TransferIntent
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.django import urls
from epay_transfers.producers.web.rejections import rejection

CSRF = "django.middleware.csrf.CsrfViewMiddleware"
settings.configure(ROOT_URLCONF=__name__, SECRET_KEY=secrets.token_hex(32), ALLOWED_HOSTS=["*"], MIDDLEWARE=[CSRF])
web = Web.from_env(lambda: ProducerAndWebSettings.load(env_file=".env"), home="/")  # read at the first request


@csrf_exempt  # an example without a page of its own to put the token in; yours has one
def buy(request: HttpRequest, order_id: int) -> HttpResponse:
    """The reference is made before the first click. Yours is your order's own, from your database.

    So a click after any error is the same payment.
    """
    said = {name: str(text) for name, text in request.POST.items()}
    number, expiry, cvc = (said.get(name, "") for name in ("number", "expiry", "cvc"))
    try:
        intent = TransferIntent(
            reference=f"order-{order_id}",
            amount="12000",
            description="A concert ticket",
            sender=PanCard(number=number, expiry=expiry, cvc=cvc, name="CARD HOLDER"),
            receiver=Receiver(number="5522042705066736"),
        )
    except IntentRejected as error:
        status, body = rejection(error)  # a wrong card is 422, and no answer repeats what was sent
        return JsonResponse(body, status=status)
    return HttpResponseRedirect(f"/transfers/pay/{web.transfers.enqueue(intent).handle}", status=303)


urlpatterns = [path("transfers/", include(urls(web))), path("buy/<int:order_id>", buy)]  # the one line
app = get_wsgi_application()
