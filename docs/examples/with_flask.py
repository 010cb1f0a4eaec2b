"""Flask: flask --app with_flask run, with WEB_BASE_URL=https://shop.example/transfers

Against the sandbox: `transfers dev --web-base-url http://127.0.0.1:5000/transfers`, whose .env is .transfers-dev/.env;
with [3ds] in the description it asks for 3-D Secure.
"""

from flask import Flask, redirect, request
from werkzeug.wrappers import Response

from epay_transfers.producers import PanCard, ProducerAndWebSettings, Receiver, TransferIntent
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.flask import answer_rejections, blueprint

web = Web.from_env(ProducerAndWebSettings.load(env_file=".env"), home="/")
app = Flask(__name__)
app.register_blueprint(blueprint(web), url_prefix="/transfers")  # the one line
answer_rejections(app)  # a wrong card is 422, and no answer repeats what was sent


@app.post("/buy/<int:order_id>")
def buy(order_id: int) -> Response:
    """The reference is made before the first click. Yours is your order's own, from your database.

    So a click after any error is the same payment.
    """
    intent = TransferIntent(
        reference=f"order-{order_id}",
        amount="12000",
        description="A concert ticket",
        sender=PanCard(
            number=request.form["number"], expiry=request.form["expiry"], cvc=request.form["cvc"], name="CARD HOLDER"
        ),
        receiver=Receiver(number="5522042705066736"),
    )
    return redirect(f"/transfers/pay/{web.transfers.enqueue(intent).handle}", 303)
