"""From a CT to two landmarks, each with its uncertainty."""
