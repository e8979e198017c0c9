"""Plot: frames become figures. Charts of one query, the dashboard, and pictures where nothing is live."""
