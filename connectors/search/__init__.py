"""Tools that look things up outside: web search, encyclopedia, pages, databases; and pictures."""
