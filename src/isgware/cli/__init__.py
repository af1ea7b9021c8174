"""The command line: ``isgware COMMAND TARGET``, ``flask isg`` and ``manage.py isg``."""
