"""A notebook for readers: run with parameters, and turned into one page.

```
parameters   what a notebook can be given, checked before anything runs
kernels      which kernel runs it
execution    papermill, in a process of its own
pages        an executed notebook as a page
report       all of it
```
"""
