"""From what a job names to samples: fetched once, hashed, decoded once."""

from handlers.audio.recording import AudioSource, Recording, fetch, open_audio

__all__ = ["AudioSource", "Recording", "fetch", "open_audio"]
