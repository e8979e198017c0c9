"""The exercises: right answers, typical wrong ones, hints, and progress that is kept."""
