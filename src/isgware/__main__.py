"""``python -m isgware``."""

from .cli.main import main

main()
