"""A Django app: `INSTALLED_APPS = [..., "epay_transfers.producers.django"]`, and the dict `TRANSFERS` in the settings.

`transfers()` and `web()` are this process's own, `urls()` is what to include in `urls.py`. `manage.py check` looks at
the settings and needs no server; `manage.py transfers_outcomes` runs the handler of outcomes. docs/django.md shows it.
"""

from epay_transfers.producers.django.process import transfers, urls, web

__all__ = ["transfers", "urls", "web"]
