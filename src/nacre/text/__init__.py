"""The ground floor: words, languages, numbers, tokens, messages and marks, of both languages."""
