"""From what a job names to samples: fetched once, hashed, decoded once."""

from handlers.audio.recording import Recording, fetch, open_audio

__all__ = ["Recording", "fetch", "open_audio"]
