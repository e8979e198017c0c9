"""One file per question that the lab answers by measuring, against a truth that is known."""
