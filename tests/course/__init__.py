"""The course: its notebooks, the glossary, and the pages that lead to them."""
