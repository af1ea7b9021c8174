"""``manage.py isg`` from within Python."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.http import HttpResponse
from django.urls import path

from isgware import revalidate
from isgware.django.management.commands.isg import Command


@revalidate(60)
def home(request):
    return HttpResponse("home")


def printed(*words):
    out = StringIO()
    call_command(Command(), *words, stdout=out)
    return out.getvalue()


def test_call_command_acts_on_the_process_s_isg(project, visit):
    isg = project([path("", home)])
    visit(isg, "/")
    assert "fresh" in printed("ls")
    assert printed("purge", "/") == "Purged: /.\n"
    assert visit(isg, "/")[0] == "REVALIDATED"


def test_what_fails_ends_with_its_status(project):
    project([path("", home)])
    with pytest.raises(SystemExit) as ended:
        printed("show", "/")
    assert ended.value.code == 1
