"""The exercises of the course: what is right, what a wrong answer is instead, and how far somebody has come.

Each notebook has a class of checks: `check = StartHere(stack)`, then `check.joined(answer)`. Answers are compared with
what the lab's store, Redis and Prometheus say at that moment.
"""
