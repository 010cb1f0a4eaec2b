"""Django, in one file: gunicorn with_django:app, with WEB_BASE_URL=https://shop.example/transfers"""

import secrets

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from epay_transfers.producers import PanCard, ProducerAndWebSettings, Receiver, TransferIntent
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.django import urls

CSRF = "django.middleware.csrf.CsrfViewMiddleware"
settings.configure(ROOT_URLCONF=__name__, SECRET_KEY=secrets.token_hex(32), ALLOWED_HOSTS=["*"], MIDDLEWARE=[CSRF])
web = Web.from_env(lambda: ProducerAndWebSettings.load(env_file=".env"), home="/")  # read at the first request


@csrf_exempt  # an example without a page of its own to put the token in; yours has one
def buy(request: HttpRequest) -> HttpResponseRedirect:
    said = {name: str(text) for name, text in request.POST.items()}
    intent = TransferIntent(
        reference=f"order-{secrets.token_hex(8)}",
        amount="12000",
        description="A concert ticket",
        sender=PanCard(number=said["number"], expiry=said["expiry"], cvc=said["cvc"], name="CARD HOLDER"),
        receiver=Receiver(number="5522042705066736"),
    )
    return HttpResponseRedirect(f"/transfers/pay/{web.transfers.enqueue(intent).handle}", status=303)


urlpatterns = [path("transfers/", include(urls(web))), path("buy", buy)]  # the one line
app = get_wsgi_application()
