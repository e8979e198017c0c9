"""What a person sees in a terminal or below a cell: tables, progress, messages, interrupts."""
