"""What things cost: prices of the day, sums of replies and bills, published tables."""
