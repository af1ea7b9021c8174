"""The plain site whose pages are renewed by Celery; `SITE_BROKER` is the URL of its broker."""

from __future__ import annotations

import os

import sitecore
from celery import Celery
from plain_site import site

from isgware import ISG, Policy
from isgware.celery import CeleryExecutor

celery = Celery("site", broker=os.environ["SITE_BROKER"])
celery.conf.update(broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)

isg = ISG(
    site,
    store=sitecore.store_url(),
    executor=CeleryExecutor(celery, timeout=float(os.environ["SITE_BROKER_TIMEOUT"])),
    routes={"/page/<name>": Policy(revalidate=3600, tags=["pages", "page:{name}"])},
)
application = sitecore.Outside(isg, isg)
