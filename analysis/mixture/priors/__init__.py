"""What else is known of the odds of learning, one small file each: a table in, columns that modulate the prior out."""
