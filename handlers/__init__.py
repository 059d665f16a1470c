"""The handler library that every Parley endpoint shares."""
