"""``python -m isgware``."""

from .cli import main

main()
