"""What labkit costs, measured on real servers beside its peers. Each script prints tables in Markdown."""
