"""What is wrong, how much money it concerns, what is safe: `facts` gathers, `judge` says, `page` and `explain` show."""
