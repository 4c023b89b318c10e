"""What a campaign will take: simulated without the database, over the real list and the real calendar."""
