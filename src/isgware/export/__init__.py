"""Static export: stored pages as files, for nginx or a CDN to serve."""

from .exporter import ExportReport as ExportReport
from .exporter import export as export
from .exporter import export_app as export_app
