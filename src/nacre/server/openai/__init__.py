"""What OpenAI's API has: models, chat, responses, files, vector stores, embeddings, audio."""
