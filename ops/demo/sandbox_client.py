"""The demo's own eyes and hands at the sandbox: its books, its faults, and the client's answer to 3-D Secure."""

from typing import Any

import requests

_TIMEOUT_S = 5


class SandboxClient:
    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy would not find this machine's own ports

    def books(self) -> dict[str, Any]:
        books: dict[str, Any] = self._call("GET", "/books")
        return books

    def has_executed(self, invoice_id: str) -> bool:
        order = self.books()["orders"].get(invoice_id)
        return bool(order and order["executions"])

    def refuse_tokens(self, invoice_id: str, times: int | None) -> None:
        """503 to whoever wants a token for this order: so many times, or until `mend`."""
        rule = {"call": "token", "kind": "status", "http_status": 503, "invoice": invoice_id, "times": times}
        self._call("POST", "/faults", rule)

    def mend(self) -> None:
        self._call("DELETE", "/faults")

    def client_answers(self, md: str) -> str:
        """What the client's browser would bring back: a PaRes, for the right password."""
        answer: str = self._call("POST", "/acs/answer", {"md": md, "password": "secret"})["PaRes"]
        return answer

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, path: str, data: object = None) -> Any:
        answer = self._session.request(method, self._url + path, json=data, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()
