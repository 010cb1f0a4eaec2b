"""The demo's client of the sandbox: reads its books, sets faults, and answers 3-D Secure for the client."""

from typing import Any

import requests

_TIMEOUT_S = 5


class SandboxClient:
    """The sandbox's pages for tests, over HTTP."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy can't reach this machine's own ports

    def books(self) -> dict[str, Any]:
        books: dict[str, Any] = self._call("GET", "/books")
        return books

    def has_executed(self, invoice_id: str) -> bool:
        order = self.books()["orders"].get(invoice_id)
        return bool(order and order["executions"])

    def refuse_tokens(self, invoice_id: str, times: int | None) -> None:
        """Answer 503 to token calls for this order: so many times, or until `mend`."""
        rule = {"call": "token", "kind": "status", "http_status": 503, "invoice": invoice_id, "times": times}
        self._call("POST", "/faults", rule)

    def mend(self) -> None:
        self._call("DELETE", "/faults")

    def client_answers(self, md: str) -> str:
        """The PaRes that the client's browser would bring back after the right password."""
        answer: str = self._call("POST", "/acs/answer", {"md": md, "password": "secret"})["PaRes"]
        return answer

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, path: str, data: object = None) -> Any:
        answer = self._session.request(method, self._url + path, json=data, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()
