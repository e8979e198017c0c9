"""A notebook for readers: run with parameters, and turned into one page.

```
parameters   what a notebook can be given, checked before anything runs
kernels      which kernel runs it
execution    papermill, in a process of its own
readers      what of it is for readers: the cells' tags say so
figures      a figure on the page
provenance   versions and machine
pages        an executed notebook as a page: cells.html.j2 in page.html.j2, with page.css and page.js
report       all of it
```
"""
