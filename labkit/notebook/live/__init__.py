"""Live figures: drawn once, then extended in place while other cells run.

```
client          asks Prometheus at a steady pace, and finds it again
history         what is known of a query, and which points are due
query_cache     the histories of all the dashboard's queries
parts           the figures on the page: lines that grow, figures that are drawn again
sources         what to show: a query, the dashboard, a function
update_stream   the messages for the browser
polling_thread  the thread, and when it ends
viewers         who looks: the views in browsers, and the cells they belong to
shown           a widget and the picture beside it; shown.js is what the scripts of all widgets begin with
figure          the widget; live.js and live.css are its other half, in the browser
```
"""

from labkit.notebook.live.figure import LiveFigure, live, live_dashboard

__all__ = ["LiveFigure", "live", "live_dashboard"]
