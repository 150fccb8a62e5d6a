"""Who asks, and how much they may: keys, logins, limits, the guard."""
