"""Notes by topic, in SQLAlchemy's hands: no view says which pages to purge.

.venv/bin/gunicorn -w 2 examples.sqlalchemy_notes.app:app
"""
