"""An app with every kind of relation and column, for what pages depend on."""
